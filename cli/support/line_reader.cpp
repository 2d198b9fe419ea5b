#include "cli/support/line_reader.hpp"

#include "cli/support/line_terminal.hpp"

#include <algorithm>
#include <unistd.h>

namespace larql::cli {

struct line_reader::terminal : line_terminal {
  using line_terminal::line_terminal;
};

line_reader::line_reader(std::filesystem::path history, const interrupt_scope& signals)
    : signals_(signals) {
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDOUT_FILENO) != 0)
    terminal_ = std::make_unique<terminal>(std::move(history), signals);
}

line_reader::~line_reader() = default;

line_reader::loan::loan(line_reader& from) : from_(from) {
  if (from_.terminal_)
    from_.terminal_->lend();
}

line_reader::loan::~loan() {
  if (from_.terminal_)
    from_.terminal_->take();
}

std::optional<std::string> line_reader::one_line(const std::string& prompt) {
  if (terminal_)
    return typed_line(prompt);
  if (::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0) // only the output is a pipe
    draw_text(prompt);
  auto line = std::string{};
  for (auto byte = '\0'; read_byte(signals_, byte, [] {});) {
    if (byte == '\n' && line.ends_with('\r')) // files of other systems
      line.pop_back();
    if (byte == '\n')
      return line;
    line += byte;
  }
  return line.empty() ? std::nullopt : std::optional{line};
}

std::optional<std::string> line_reader::typed_line(const std::string& prompt) {
  auto line = terminal_->read(prompt, std::exchange(suggested_, {}));
  if (line)
    return line;
  (void) write_output("\n");
  if (!signals_.interrupted() || signals_.terminated())
    return std::nullopt;
  terminal_->reset();
  return std::string{};
}

std::optional<typed_message> line_reader::next(const std::string& prompt) {
  auto lines = message_lines{};
  auto whole = std::optional<typed_message>{};
  const auto indent = prompt.size() - std::min<std::size_t>(4, prompt.size());
  while (!whole) {
    const auto line = one_line(lines.is_open() ? std::string(indent, ' ') + "... " : prompt);
    if (!line) {
      whole = lines.finish();
      return whole;
    }
    if (signals_.interrupted())
      return typed_message{};
    whole = lines.add(*line);
  }
  if (terminal_ && !whole->text.empty())
    terminal_->remember(whole->quoted ? fmt::format(R"("""{}""")", whole->text) : whole->text);
  return whole;
}

} // namespace larql::cli
