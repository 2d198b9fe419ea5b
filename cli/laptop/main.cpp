// larql: the laptop's program. Each command lives in the file of its name.

#include "cli/support/command.hpp"
#include "cli/support/environment.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/last_resort.hpp"
#include "cli/support/manual.hpp"
#include "cli/support/usage_error.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/bus_error.hpp"
#include "runtime/base/log.hpp"

#include <csignal>
#include <exception>

namespace larql::cli {

std::string_view program_name() noexcept {
  return "larql";
}

} // namespace larql::cli

namespace {

void add_commands(larql::cli::command_parser& app, larql::cli::action& chosen) {
  using namespace larql::cli;
  add_run(app, chosen);
  add_chat(app, chosen);
  add_serve(app, chosen);
  add_status(app, chosen);
  add_control(app, chosen);
  add_topology(app, chosen);
  add_certs(app, chosen);
  add_extract(app, chosen);
  add_inspect(app, chosen);
  add_slice(app, chosen);
  add_verify(app, chosen);
  add_tokenize(app, chosen);
  add_logits(app, chosen);
  add_pull(app, chosen);
  add_publish(app, chosen);
  add_cache(app, chosen);
  add_bench(app, chosen);
}

} // namespace

int main(int argc, char** argv) {
  using namespace larql::cli;
  keep_standard_descriptors();
  // A peer or a pipe that goes away is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  larql::install_bus_error_handler("larql", exit_storage);
  install_terminate_handler("larql");
  larql::set_log_level(larql::log_level::warning); // a terminal is for answers
  larql::set_log_writer(say_log);
  auto app = program_parser{
      "larql", "Runs a mixture-of-experts model whose experts may live on other machines."};
  app.set_version(version_text());
  app.require_command();
  app.footer(
      "larql run gemma4.vindex \"Why is the sky blue?\"\n"
      "larql status --topology cluster.toml\n\n"
      "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a page of a mapped file could not "
      "be read (disk error or cut file), 129 the terminal has gone, 130 interrupted, 141 the "
      "reader of the output has gone, 143 ended by SIGTERM.");
  auto chosen = action{};
  add_commands(app, chosen);
  if (const auto printed = print_documentation(app, 1, argc, argv))
    return *printed;
  if (const auto ended = parse_arguments(app, argc, argv))
    return *ended;
  if (const auto ok = check_environment(process_environment); !ok)
    return report(ok.error());
  try {
    const auto code = chosen();
    return exit_code_of_signal().value_or(code);
  } catch (const std::exception& e) { // out of memory, or a bug in a library
    say("unexpected: {}", e.what());
    return exit_failure;
  }
}
