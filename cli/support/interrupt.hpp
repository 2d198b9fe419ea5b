// Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) as a request to stop: the first signal stops
// the token that running work looks at, the second one ends the process at once.
//
// Owner     One scope at a time in a process; scopes may nest, and the handlers that were there
//           before come back when a scope ends.
// Threads   The signal handler only wakes a thread of the scope, which stops the token: stop
//           callbacks never run inside a signal handler.

#pragma once

#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <semaphore.h>
#include <stop_token>
#include <thread>

namespace larql::cli {

class interrupt_scope {
public:
  interrupt_scope();
  ~interrupt_scope();
  interrupt_scope(const interrupt_scope&) = delete;
  interrupt_scope& operator=(const interrupt_scope&) = delete;

  /// Stopped soon after the first signal since the scope began or since the last renew().
  [[nodiscard]] std::stop_token token() const;

  /// True at once after that signal, before the token's thread has run; for code that a signal
  /// wakes from a system call.
  [[nodiscard]] bool interrupted() const noexcept;

  /// SIGTERM or SIGHUP has come at any time: the user wants the program to end, not only the
  /// answer.
  [[nodiscard]] bool terminated() const noexcept;

  /// The last signal; 0 if none came.
  [[nodiscard]] int signal() const noexcept;

  /// From now on the next signal is a first one again, for a token of its own.
  void renew();

private:
  void watch();

  mutable std::mutex mutex_;
  std::stop_source source_;
  sem_t wake_{};                ///< posted by the handler
  sem_t* outer_wake_ = nullptr; ///< of the scope around this one
  std::atomic<bool> ended_{false};
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
  struct sigaction before_hup_ {};
  std::thread watcher_;
};

/// The exit code of a program that a signal has told to end: 143 once SIGTERM has come, 129
/// once the terminal has gone, 130 after a SIGINT since the last renew(). Nothing if there was
/// none.
[[nodiscard]] std::optional<int> exit_code_of_signal() noexcept;

} // namespace larql::cli
