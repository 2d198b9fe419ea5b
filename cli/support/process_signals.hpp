// The signals of the daemon, taken by a thread of its own from the start, so that SIGTERM ends the
// process in every phase: one that looks for signals takes them and ends in order; in any other
// nothing has been accepted yet, and the process ends at once.
//
// Owner     main(), once in a process, before any other thread is started: all of them inherit that
//           the signals are blocked.
// Threads   Methods may be called from any thread.

#pragma once

#include "runtime/base/result.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <memory>
#include <mutex>
#include <thread>

namespace larql::cli {

class process_signals {
public:
  /// An operator wants a new start; sent by the process to itself.
  static constexpr int restart = SIGUSR1;

  /// errc::io if there is no thread to be had.
  [[nodiscard]] static result<std::unique_ptr<process_signals>> start();
  ~process_signals();
  process_signals(const process_signals&) = delete;
  process_signals& operator=(const process_signals&) = delete;

  /// Takes SIGTERM, SIGINT or `restart`, whichever came first; 0 if none came within the time.
  [[nodiscard]] int within(std::chrono::milliseconds time);

  /// Calls are answered from now on: a signal that is not taken at once is one that waits.
  void serving();

  /// Whether SIGHUP has come since this was asked last.
  [[nodiscard]] bool take_hangup();

  /// Whether SIGTERM or SIGINT has ever come: a new start that was begun before is not wanted then.
  [[nodiscard]] bool told_to_end();

private:
  process_signals();
  void serve();

  sigset_t set_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  int pending_ = 0;
  bool ended_ = false;
  bool serving_ = false;
  bool hangup_ = false;
  bool told_to_end_ = false;
  std::thread thread_;
};

} // namespace larql::cli
