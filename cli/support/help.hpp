// What --help and --help-all print, made from the parser like manual pages and completions.
//
// --help fits a screen of 80 columns and 24 lines: two examples, the common options with their
// defaults, and the names of all others and of the environment's variables. --help-all explains
// everything.

#pragma once

#include "cli/support/command_tree.hpp"

namespace larql::cli {

[[nodiscard]] std::string help_text(const command_description& command, bool all);

} // namespace larql::cli
