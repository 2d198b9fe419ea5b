// Lines from a terminal, with editing and history; or from anything else, as they come.
//
// Blocking  next() waits for the user; Ctrl-C ends the line, not the program.
// Owner     One at a time: the terminal is a single thing.
// Source    libedit.

#pragma once

#include "cli/support/interrupt.hpp"

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

  /// The next line without its end; "" after Ctrl-C; nothing at the end of
  /// input, or after SIGTERM. A line that ends in a backslash goes on in the next.
  [[nodiscard]] std::optional<std::string> next(const std::string& prompt);

  [[nodiscard]] bool is_terminal() const noexcept { return terminal_ != nullptr; }

private:
  struct terminal;
  const interrupt_scope& signals_;
  [[nodiscard]] std::optional<std::string> one_line(const std::string& prompt);

  std::unique_ptr<terminal> terminal_; // null: not a terminal
};

} // namespace larql::cli
