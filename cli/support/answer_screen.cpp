#include "cli/support/answer_screen.hpp"

#include "cli/support/environment.hpp"
#include "cli/support/terminal_modes.hpp"

#include <unistd.h>

namespace larql::cli {

namespace {

constexpr std::string_view dim = "\x1b[2m";
constexpr std::string_view plain = "\x1b[0m";
constexpr std::string_view clear_line = "\r\x1b[K";

std::size_t columns_of(const screen_kind& kind) {
  return terminal_columns(kind.text_on_terminal ? STDOUT_FILENO : STDERR_FILENO);
}

} // namespace

screen_kind screen_kind::of_process() {
  const auto is_dumb = process_environment("TERM").value_or("dumb") == "dumb";
  auto out = screen_kind{};
  out.text_on_terminal = ::isatty(STDOUT_FILENO) == 1;
  out.status_on_terminal = ::isatty(STDERR_FILENO) == 1 && !is_dumb;
  out.wraps = !is_dumb && (out.text_on_terminal || out.status_on_terminal);
  out.color = out.status_on_terminal && !process_environment("NO_COLOR");
  return out;
}

// ---- the line below -----------------------------------------------------------------------------

std::string status_line::draw(std::string_view text, const terminal_column& above) {
  // One column stays free: a full line makes some terminals begin the next.
  auto line = cut_to_columns(text, above.columns() - 1);
  if (drawn_ && line == shown_)
    return {};
  auto out = std::string{};
  if (!drawn_) {
    // Behind a full line the next character begins another, and so does the line end.
    behind_ = above.at() == above.columns() ? 0 : above.at();
    out = above.at() == 0 ? "" : "\n";
  }
  drawn_ = true;
  shown_ = std::move(line);
  return out.append(clear_line).append(shown_);
}

std::string status_line::erase() {
  if (!drawn_)
    return {};
  forget();
  auto out = std::string{clear_line};
  if (behind_ != 0)
    out += fmt::format("\x1b[A\x1b[{}G", behind_ + 1);
  return out;
}

void status_line::forget() {
  drawn_ = false;
  shown_.clear();
}

// ---- screen -------------------------------------------------------------------------------------

answer_screen::answer_screen(screen_kind kind)
    : kind_(kind), wrap_(columns_of(kind)), losses_(terminal_losses()) {
  if (kind_.text_on_terminal && kind_.status_on_terminal)
    held_.emplace();
}

answer_screen::~answer_screen() {
  clear_status();
  end_thought();
}

// Its size is as it is now; after another program had it, the text goes on in a line of its own.
void answer_screen::look_at_terminal() {
  if (kind_.wraps)
    wrap_.resize(columns_of(kind_));
  const auto losses = terminal_losses();
  if (std::exchange(losses_, losses) == losses)
    return;
  status_.forget();
  wrap_.begin_line();
}

std::string answer_screen::laid_out(std::string text) {
  return kind_.wraps ? wrap_.add(text) : std::move(text);
}

void answer_screen::clear_status() {
  look_at_terminal();
  if (!status_.is_drawn())
    return;
  draw_text(status_.erase());
  const auto& column = wrap_.column();
  if (column.at() == column.columns())
    wrap_.begin_line(); // the cursor went on to the next line
}

void answer_screen::end_thought() {
  if (std::exchange(in_thought_, false)) {
    draw_text(thought_filter_.flush());
    if (kind_.color)
      draw_text(plain);
  }
}

void answer_screen::text(std::string_view piece) {
  if (piece.empty())
    return;
  clear_status();
  if (in_thought_) {
    end_thought();
    if (line_open_)
      draw_text("\n");
    draw_text("\n");
    wrap_.begin_line();
  }
  const auto shown = kind_.text_on_terminal ? text_filter_.append(piece) : std::string{piece};
  if (shown.empty())
    return;
  line_open_ = !shown.ends_with('\n');
  print_text(kind_.text_on_terminal ? laid_out(shown) : shown);
}

void answer_screen::thought(std::string_view piece) {
  const auto shown = thought_filter_.append(piece);
  if (shown.empty())
    return;
  clear_status();
  if (!std::exchange(in_thought_, true) && kind_.color)
    draw_text(dim);
  line_open_ = !shown.ends_with('\n');
  draw_text(kind_.status_on_terminal ? laid_out(shown) : shown);
}

void answer_screen::status(std::string_view line) {
  if (!kind_.status_on_terminal)
    return;
  if (line.empty())
    return clear_status();
  look_at_terminal();
  draw_text(status_.draw(line, wrap_.column()));
}

void answer_screen::end_line() {
  clear_status();
  const auto was_thought = in_thought_;
  end_thought();
  if (was_thought && std::exchange(line_open_, false))
    draw_text("\n");
  // Who reads from a pipe finds the end of each answer by the end of its line.
  const auto ends = std::exchange(line_open_, false) || !kind_.text_on_terminal;
  print_text(text_filter_.flush() + (ends ? "\n" : ""));
  wrap_.begin_line();
}

} // namespace larql::cli
