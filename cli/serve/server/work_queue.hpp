// Threads for work that is too long for the thread of the HTTP server and belongs to no pass:
// reading the JSON of requests, rendering and tokenising prompts.
//
// Owner     Its caller. Destruction waits for the work under way and drops the rest.
// Threads   push() by any.

#pragma once

#include "runtime/base/result.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace larql::serve {

class work_queue {
public:
  using work = std::function<void()>;

  /// Fails if there are no threads to be had.
  [[nodiscard]] static result<std::unique_ptr<work_queue>> start(unsigned threads,
                                                                 std::size_t most_waiting);
  ~work_queue();
  work_queue(const work_queue&) = delete;
  work_queue& operator=(const work_queue&) = delete;

  /// False if too much waits already.
  [[nodiscard]] bool push(work w);

private:
  explicit work_queue(std::size_t most_waiting) : most_waiting_(most_waiting) {}
  void run();

  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<work> waiting_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

} // namespace larql::serve
