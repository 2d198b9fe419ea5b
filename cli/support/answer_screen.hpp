// What a person sees while an answer is written: its text, thoughts in a dim colour, and below them
// a line that says what is waited for, which is gone as soon as there is more text.
//
// Text goes to standard output, thoughts and the line to standard error. What goes to a terminal is
// broken between words (word_wrap.hpp); without a terminal there is neither colour nor line, and
// not a byte differs from what the model wrote. NO_COLOR (no-color.org) and TERM=dumb are followed.
//
// Owner     One at a time: the terminal is a single thing. Messages wait for the end of the
//           screen's life if they would stand in the middle of its text (output.hpp).
// Threads   One.

#pragma once

#include "cli/support/output.hpp"
#include "cli/support/terminal_column.hpp"
#include "cli/support/word_wrap.hpp"
#include "runtime/text/terminal_text.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace larql::cli {

/// What the two outputs are, and what the environment wants.
struct screen_kind {
  bool text_on_terminal = false;   ///< standard output
  bool status_on_terminal = false; ///< standard error, and it can move its cursor
  bool color = false;              ///< on standard error
  bool wraps = false;              ///< a terminal can move its cursor, and one is there

  [[nodiscard]] static screen_kind of_process();
};

/// The escape sequences that draw and remove the line below a text that ends in some column.
class status_line {
public:
  /// What draws `text`, or draws it in place of the last one; nothing if it is there already.
  [[nodiscard]] std::string draw(std::string_view text, const terminal_column& above);
  /// What takes the line away and brings the cursor back behind the text.
  [[nodiscard]] std::string erase();
  /// Somebody else has drawn on the terminal: there is no line any more.
  void forget();
  [[nodiscard]] bool is_drawn() const noexcept { return drawn_; }

private:
  bool drawn_ = false;
  std::size_t behind_ = 0; // where the text above ends; 0: the line stands in its place
  std::string shown_;
};

class answer_screen {
public:
  explicit answer_screen(screen_kind kind = screen_kind::of_process());
  ~answer_screen();
  answer_screen(const answer_screen&) = delete;
  answer_screen& operator=(const answer_screen&) = delete;

  /// A piece of the answer, of whole characters.
  void text(std::string_view piece);
  /// A piece of a thought.
  void thought(std::string_view piece);
  /// Whether there is a terminal for status().
  [[nodiscard]] bool shows_status() const noexcept { return kind_.status_on_terminal; }
  /// What is waited for; without a terminal nothing.
  void status(std::string_view line);
  /// The line ends, if one is open.
  void end_line();

private:
  void look_at_terminal();
  [[nodiscard]] std::string laid_out(std::string text);
  void clear_status();
  void end_thought();

  screen_kind kind_;
  word_wrap wrap_;
  unsigned losses_; // of the terminal, that are known
  status_line status_;
  text::terminal_text text_filter_, thought_filter_;
  bool in_thought_ = false;
  bool line_open_ = false;
  std::optional<held_messages> held_;
};

} // namespace larql::cli
