// Prints the text of a model as it comes: on a terminal without what would change the terminal.

#pragma once

#include "runtime/text/terminal_text.hpp"

#include <string_view>

namespace larql::cli {

class answer_printer {
public:
  answer_printer();
  void print(std::string_view piece);
  /// The last piece, and the end of the line.
  void finish(std::string_view piece);

private:
  bool terminal_;
  text::terminal_text filter_;
};

/// A whole text and the end of its line.
void print_answer(std::string_view text);

} // namespace larql::cli
