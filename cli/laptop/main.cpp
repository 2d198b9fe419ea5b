// larql: the laptop's program. Each command lives in the file of its name.

#include "cli/support/command.hpp"
#include "cli/support/manual.hpp"
#include "cli/support/version.hpp"
#include "runtime/base/bus_error.hpp"
#include "runtime/base/log.hpp"

#include <csignal>
#include <cstdio>
#include <exception>

namespace larql::cli {

int report(const failure& f) {
  fmt::print(stderr, "larql: {}\n", one_line(f.text));
  return f.code == errc::usage ? exit_usage : exit_failure;
}

} // namespace larql::cli

int main(int argc, char** argv) {
  using namespace larql::cli;
  // A peer or a pipe that goes away is an error of the write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  larql::install_bus_error_handler("larql", exit_storage);
  larql::set_log_level(larql::log_level::warning); // a terminal is for answers
  auto app = CLI::App{"Runs a mixture-of-experts model whose experts may live on other machines."};
  app.name("larql");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 success, 1 failure, 2 wrong usage, 3 a page of a mapped file could not be "
      "read (disk\nerror or cut file).");
  auto chosen = action{};
  add_run(app, chosen);
  add_chat(app, chosen);
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
  add_bench(app, chosen);
  if (const auto printed = print_documentation(app, 1, argc, argv))
    return *printed;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? exit_ok : exit_usage;
  }
  try {
    return chosen();
  } catch (const std::exception& e) { // out of memory, or a bug in a library
    fmt::print(stderr, "larql: unexpected: {}\n", e.what());
    return exit_failure;
  }
}
