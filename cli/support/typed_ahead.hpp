// Keys that come while nobody reads a line: they are taken from the terminal, kept, and not shown.
// Ctrl-C and Ctrl-Z do what they always do; a stop gives the terminal back as it was.
//
// Owner     One at a time, and none while a line is read: both have the terminal's signals.
// Threads   A thread of its own reads, and stops the process for Ctrl-Z.

#pragma once

#include "cli/support/terminal_modes.hpp"
#include "cli/support/typing_signals.hpp"

#include <string>
#include <thread>

namespace larql::cli {

class typed_ahead {
public:
  /// `modes` outlives it.
  explicit typed_ahead(terminal_modes& modes);
  ~typed_ahead();
  typed_ahead(const typed_ahead&) = delete;
  typed_ahead& operator=(const typed_ahead&) = delete;

  /// Ends it. The bytes that came, as they came; an answer's worth of pasted files at most, what is
  /// more waits in the terminal.
  [[nodiscard]] std::string finish();

private:
  void read(const std::stop_token& ended);
  [[nodiscard]] bool take_bytes();

  terminal_modes& modes_;
  typing_signals jobs_;
  std::string keys_; // of the thread until it has ended
  std::jthread thread_;
};

} // namespace larql::cli
