// What happens to the terminal while a line is typed: another size, Ctrl-Z, the foreground again.
// The handlers only note it; whoever reads the keys looks several times a second and at once after
// a signal that has ended a wait. Whoever waits in poll() includes descriptor().
//
// Owner     One scope at a time in a process; the handlers that were there before come back.

#pragma once

#include <csignal>

namespace larql::cli {

class typing_signals {
public:
  typing_signals();
  ~typing_signals();
  typing_signals(const typing_signals&) = delete;
  typing_signals& operator=(const typing_signals&) = delete;

  /// Whether it has come since the last call.
  [[nodiscard]] bool take_resize() noexcept;     ///< SIGWINCH
  [[nodiscard]] bool take_stop() noexcept;       ///< SIGTSTP: the process is to stop
  [[nodiscard]] bool take_foreground() noexcept; ///< SIGCONT: others have used the terminal

  /// Can be read after a signal and after wake(), until awake().
  [[nodiscard]] int descriptor() const noexcept { return wake_; }
  void wake() const noexcept;
  void awake() const noexcept;

  /// Stops the process as Ctrl-Z does where nobody handles it. Returns when it goes on.
  void stop() noexcept;

private:
  int wake_;
  struct sigaction before_resize_ {};
  struct sigaction before_stop_ {};
  struct sigaction before_continue_ {};
};

} // namespace larql::cli
