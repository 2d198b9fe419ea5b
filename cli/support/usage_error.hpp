// Reads the command line; what is wrong with it is said in one line that names the command, the
// word and, if there is one, what may have been meant.

#pragma once

#include "cli/support/command_parser.hpp"

#include <optional>
#include <string>
#include <vector>

namespace larql::cli {

/// What is wrong with these words: "larql run: unknown option --max_tokens, did you mean
/// --max-tokens?". @pre the outcome of parsing them is an error
[[nodiscard]] std::string explain_usage(const command_description& program,
                                        const std::vector<std::string>& words,
                                        const parse_outcome& error);

/// Parses, and prints what --help, --version and errors ask for. The exit code if the program is
/// to end.
[[nodiscard]] std::optional<int> parse_arguments(program_parser& program, int argc,
                                                 const char* const* argv);

} // namespace larql::cli
