// Prints a text of a model: on a terminal without what would change the terminal.

#pragma once

#include <string_view>

namespace larql::cli {

/// A whole text and the end of its line, on standard output.
void print_answer(std::string_view text);

} // namespace larql::cli
