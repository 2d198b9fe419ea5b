// What every command of `larql` shares: registration, exit codes, error output.

#pragma once

#include "cli/support/command_parser.hpp"
#include "cli/support/output.hpp"
#include "runtime/base/result.hpp"

#include <functional>

namespace larql::cli {

/// Exit codes of both programs. Stable for scripts. A program that a signal ended has 128 and the
/// signal's number (interrupt.hpp), one whose reader has gone 141 (output.hpp).
inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_storage = 3; ///< a page of a mapped file could not be read (SIGBUS)

/// What the chosen command does; set by the parser, run by main.
using action = std::function<int()>;

/// Says the error and returns its exit code.
int report(const failure& f);

/// exit_ok, or the error is reported.
[[nodiscard]] inline int exit_code(const result<void>& done) {
  return done ? exit_ok : report(done.error());
}
/// The same for a command that chose its exit code itself.
[[nodiscard]] inline int exit_code(const result<int>& done) {
  return done ? *done : report(done.error());
}

/// Numbers separated by white space; `option` names where they came from.
[[nodiscard]] result<std::vector<std::uint32_t>> parse_ids(const std::string& text,
                                                           std::string_view option);

// One per command, in the file of its name.
void add_bench(command_parser& app, action& chosen);
void add_cache(command_parser& app, action& chosen);
void add_certs(command_parser& app, action& chosen);
void add_chat(command_parser& app, action& chosen);
void add_control(command_parser& app, action& chosen);
void add_extract(command_parser& app, action& chosen);
void add_inspect(command_parser& app, action& chosen);
void add_logits(command_parser& app, action& chosen);
void add_publish(command_parser& app, action& chosen);
void add_pull(command_parser& app, action& chosen);
void add_run(command_parser& app, action& chosen);
void add_serve(command_parser& app, action& chosen);
void add_slice(command_parser& app, action& chosen);
void add_status(command_parser& app, action& chosen);
void add_tokenize(command_parser& app, action& chosen);
void add_topology(command_parser& app, action& chosen);
void add_verify(command_parser& app, action& chosen);

} // namespace larql::cli
