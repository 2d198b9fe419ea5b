#include "cli/laptop/answer_printer.hpp"

#include "cli/support/output.hpp"

#include <unistd.h>

namespace larql::cli {

answer_printer::answer_printer() : terminal_(::isatty(STDOUT_FILENO) == 1) {}

void answer_printer::print(std::string_view piece) {
  print_text(terminal_ ? filter_.append(piece) : std::string{piece});
}

void answer_printer::finish(std::string_view piece) {
  print(piece);
  print_text(filter_.flush() + "\n");
}

void print_answer(std::string_view text) {
  answer_printer{}.finish(text);
}

} // namespace larql::cli
