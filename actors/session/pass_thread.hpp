// The thread that computes: it runs what is posted to it, then takes passes a step further until
// there is nothing to do.
//
// Blocking  post() and status() never; end() until everything has ended.
// Threads   post() and status() by any thread; start() and end() by the owner.

#pragma once

#include "actors/session/scheduler.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace larql::actors {

class pass_thread {
public:
  using command = std::function<void(scheduler&)>;

  /// `rest` is called when nothing is to be computed for a while. Fails with `io` if there is no
  /// thread to be had.
  [[nodiscard]] static result<std::shared_ptr<pass_thread>> start(std::unique_ptr<scheduler> work,
                                                                  std::function<void()> rest);
  ~pass_thread() { end(); }
  pass_thread(const pass_thread&) = delete;
  pass_thread& operator=(const pass_thread&) = delete;

  /// Runs `c` on the thread, between two layers. After end() it is dropped.
  void post(command c);

  [[nodiscard]] session_status status() const { return work_->status(); }

  /// Waits until everything that was asked has ended, and ends the thread. @pre not on the thread
  void end();

private:
  pass_thread(std::unique_ptr<scheduler> work, std::function<void()> rest)
      : work_(std::move(work)), rest_(std::move(rest)) {}
  void run();
  [[nodiscard]] bool run_commands();

  std::unique_ptr<scheduler> work_;
  std::function<void()> rest_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<command> commands_;
  std::atomic<bool> has_commands_{false}; // looked at between layers, without the mutex
  bool ending_ = false;
  bool ended_ = false;
  std::thread thread_;
};

} // namespace larql::actors
