// larql-node: serves a range of experts of a vindex to laptops.

#include "cli/node/process.hpp"
#include "cli/support/command.hpp"
#include "cli/support/manual.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/bus_error.hpp"
#include "runtime/base/log.hpp"

#include <csignal>
#include <unistd.h>

namespace larql::cli {

int report(const failure& f) {
  fmt::print(stderr, "larql-node: {}\n", one_line(f.text));
  return f.code == errc::usage ? exit_usage : exit_failure;
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
  std::signal(SIGPIPE, SIG_IGN);
  larql::install_bus_error_handler("larql-node", exit_storage);
  const auto program = own_path();
  auto flags = node_flags{};
  auto app = CLI::App{"Serves experts of a mixture-of-experts model to laptops running larql."};
  app.name("larql-node");
  app.set_version_flag("--version", version_text());
  add_node_options(app, flags);
  app.footer(
      "Exit codes: 0 ended as told, 1 failure, 2 wrong settings, 3 a page of a mapped file could "
      "not be read\n(disk error or cut file).");
  if (const auto printed = print_documentation(app, 8, argc, argv))
    return *printed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_usage;
  }
  try {
    const auto settings = merge_settings(flags, process_environment);
    if (!settings)
      return report(settings.error());
    const auto ended = serve_node(*settings);
    if (!ended)
      return report(ended.error());
    if (*ended == node_end::restart) {
      ::execv(program.c_str(), argv); // the same flags, a new incarnation
      ::execv("/proc/self/exe", argv);
      fmt::print(stderr, "larql-node: cannot start anew, ending instead\n");
      return exit_failure;
    }
    return exit_ok;
  } catch (const std::exception& e) {
    fmt::print(stderr, "larql-node: unexpected: {}\n", e.what());
    return exit_failure;
  }
}
