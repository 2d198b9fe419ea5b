#include "cli/laptop/answer_printer.hpp"

#include "cli/support/output.hpp"
#include "runtime/text/terminal_text.hpp"

#include <unistd.h>

namespace larql::cli {

void print_answer(std::string_view text) {
  auto filter = text::terminal_text{};
  const auto shown = ::isatty(STDOUT_FILENO) == 1 ? filter.append(text) : std::string{text};
  print_text(shown + filter.flush() + "\n");
}

} // namespace larql::cli
