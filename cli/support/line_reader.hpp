// Messages from a terminal, with editing and history; or from anything else, as they come.
//
// A paste is one text, however many lines it has; a long one stands in the line as "[pasted text 1:
// 40 lines]" and is put in its place when the line is sent. A tab is a tab, and Alt-Enter begins
// another line. What is typed between two messages is kept for the next (line_terminal.hpp).
//
// Blocking  next() waits for the user; Ctrl-C ends the line, not the program.
// Owner     One at a time: the terminal is a single thing.
// Source    libedit.

#pragma once

#include "cli/support/interrupt.hpp"
#include "cli/support/message_lines.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace larql::cli {

class line_reader {
public:
  /// `history`: where lines are remembered; empty: nowhere. `signals` outlives the reader.
  explicit line_reader(std::filesystem::path history, const interrupt_scope& signals);
  ~line_reader();
  line_reader(const line_reader&) = delete;
  line_reader& operator=(const line_reader&) = delete;

  /// The next message (message_lines.hpp); an empty one after Ctrl-C; nothing at the end of input,
  /// or after SIGTERM.
  [[nodiscard]] std::optional<typed_message> next(const std::string& prompt);

  /// The next line begins with this text, to be changed.
  void suggest(std::string text) { suggested_ = std::move(text); }

  /// While one lives, another program has the terminal.
  class loan {
  public:
    explicit loan(line_reader& from);
    ~loan();
    loan(const loan&) = delete;
    loan& operator=(const loan&) = delete;

  private:
    line_reader& from_;
  };

  [[nodiscard]] bool is_terminal() const noexcept { return terminal_ != nullptr; }

private:
  struct terminal;
  const interrupt_scope& signals_;
  [[nodiscard]] std::optional<std::string> one_line(const std::string& prompt);
  [[nodiscard]] std::optional<std::string> typed_line(const std::string& prompt);

  std::unique_ptr<terminal> terminal_; // null: not a terminal
  std::string suggested_;
};

} // namespace larql::cli
