// A terminal on which lines are typed: libedit, with pastes, tabs, job control, and messages that
// come meanwhile shown above the line. What is typed between two lines is not shown where it comes
// but stands in the next line, which Enter sends: line ends that came before are line ends in it.
//
// Owner     One at a time: the terminal is a single thing.
// Threads   One.
// Source    libedit. The only place that knows it.

#pragma once

#include "cli/support/interrupt.hpp"
#include "cli/support/output.hpp"

#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>

namespace larql::cli {

/// One byte of standard input; false at its end, on an error, and once the user interrupts. Waiting
/// in poll() and not in read() lets a signal through that came just before. `meanwhile` is called
/// several times a second.
template <class Meanwhile>
[[nodiscard]] bool read_byte(const interrupt_scope& signals, char& out,
                             const Meanwhile& meanwhile) {
  for (;;) {
    meanwhile();
    if (signals.interrupted())
      return false;
    auto in = pollfd{STDIN_FILENO, POLLIN, 0};
    const auto ready = ::poll(&in, 1, 200);
    if (ready < 0 && errno != EINTR)
      return false;
    if (ready <= 0)
      continue;
    const auto n = ::read(STDIN_FILENO, &out, 1);
    if (n == 1)
      return true;
    if (n == 0 || errno != EINTR)
      return false;
  }
}

class line_terminal {
public:
  /// `history` may be empty; `signals` outlives the terminal.
  line_terminal(std::filesystem::path history, const interrupt_scope& signals);
  /// Keeps the history in its file, for its owner alone.
  ~line_terminal();
  line_terminal(const line_terminal&) = delete;
  line_terminal& operator=(const line_terminal&) = delete;

  /// The line that was typed, without its end; it may hold line ends of pastes. Nothing at the end
  /// of input and after a signal. `begin` is there already, to be changed.
  [[nodiscard]] std::optional<std::string> read(const std::string& prompt,
                                                const std::string& begin);
  /// What a signal has left of a line goes.
  void reset();
  void remember(const std::string& line);
  /// Another program has the terminal from here to take(), with its modes as they were.
  void lend();
  void take();

  struct state;

private:
  std::unique_ptr<state> state_;
};

} // namespace larql::cli
