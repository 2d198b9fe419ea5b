// larql-node: serves a range of experts of a vindex to laptops.

#include "cli/node/process.hpp"
#include "cli/support/command.hpp"
#include "cli/support/last_resort.hpp"
#include "cli/support/manual.hpp"
#include "cli/support/usage_error.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/bus_error.hpp"
#include "runtime/base/log.hpp"

#include <csignal>
#include <unistd.h>

namespace larql::cli {

std::string_view program_name() noexcept {
  return "larql-node";
}

} // namespace larql::cli

namespace {

// Where the program was found, so that a restart after an upgrade starts the new one.
std::string own_path() {
  auto ignored = std::error_code{};
  return std::filesystem::read_symlink("/proc/self/exe", ignored).string();
}

} // namespace

int main(int argc, char** argv) {
  using namespace larql::cli;
  keep_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  larql::install_bus_error_handler("larql-node", exit_storage);
  install_terminate_handler("larql-node");
  const auto program = own_path();
  auto flags = node_flags{};
  auto app = program_parser{
      "larql-node", "Serves experts of a mixture-of-experts model to laptops running larql."};
  app.set_version(version_text());
  add_node_options(app, flags);
  app.footer("larql-node gemma4.vindex --experts 0-63 --port 9470 --warmup\n"
             "larql-node --topology cluster.toml --node alpha\n\n"
             "Exit codes: 0 ended as told, 1 failure, 2 wrong settings, 3 a page of a mapped file "
             "could not be read (disk error or cut file).");
  if (const auto printed = print_documentation(app, 8, argc, argv))
    return *printed;
  if (const auto ended = parse_arguments(app, argc, argv))
    return *ended;
  try {
    if (const auto ok = check_environment(process_environment); !ok)
      return report(ok.error());
    const auto settings = merge_settings(flags, process_environment);
    if (!settings)
      return report(settings.error());
    const auto ended = serve_node(*settings);
    if (!ended)
      return report(ended.error());
    if (*ended == node_end::restart) {
      ::execv(program.c_str(), argv); // the same flags, a new incarnation
      ::execv("/proc/self/exe", argv);
      say("cannot start anew, ending instead");
      return exit_failure;
    }
    return exit_ok;
  } catch (const std::exception& e) {
    say("unexpected: {}", e.what());
    return exit_failure;
  }
}
