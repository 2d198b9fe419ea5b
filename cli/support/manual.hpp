// Manual pages and shell completions, written from what the program's own parser takes. The build
// runs the programs for them: `larql --help-man`, `larql --help-completion bash`.

#pragma once

#include "cli/support/command_parser.hpp"

#include <optional>

namespace larql::cli {

/// A page in man(7)'s language. `section` is 1 for programs of users, 8 for daemons.
[[nodiscard]] std::string manual_page(const command_description& program, int section,
                                      const std::string& version);

enum class shell { bash, zsh, fish };

/// A script for the shell's completion system.
[[nodiscard]] std::string completion_script(const command_description& program, shell s);

/// Prints what the hidden options --help-man and --help-completion SHELL ask for, if that is the
/// whole command line; the exit code then.
[[nodiscard]] std::optional<int> print_documentation(const command_parser& program, int section,
                                                     int argc, const char* const* argv);

} // namespace larql::cli
