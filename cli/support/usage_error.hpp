// Reads the command line; what is wrong with it is said in one line that names the command, the
// word and, if there is one, what may have been meant.

#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <string>
#include <vector>

namespace larql::cli {

/// What is wrong: "larql run: unknown option --max_tokens, did you mean --max-tokens?".
[[nodiscard]] std::string explain_usage(const CLI::App& app, const std::vector<std::string>& words,
                                        const CLI::ParseError& error);

/// Parses, and prints what --help, --version and errors ask for. The exit code if the program is
/// to end.
[[nodiscard]] std::optional<int> parse_arguments(CLI::App& app, int argc, const char* const* argv);

} // namespace larql::cli
