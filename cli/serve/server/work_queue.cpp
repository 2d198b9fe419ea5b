#include "cli/serve/server/work_queue.hpp"

#include "runtime/base/log.hpp"

#include <system_error>

namespace larql::serve {

result<std::unique_ptr<work_queue>> work_queue::start(unsigned threads, std::size_t most_waiting) {
  auto out = std::unique_ptr<work_queue>{new work_queue{most_waiting}};
  try {
    for (auto i = 0u; i < threads; ++i)
      out->threads_.emplace_back([self = out.get()] { self->run(); });
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start a thread: {}", e.what());
  }
  return out;
}

work_queue::~work_queue() {
  {
    const auto lock = std::scoped_lock{mutex_};
    stop_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (auto& t : threads_)
    t.join();
}

bool work_queue::push(work w) {
  {
    const auto lock = std::scoped_lock{mutex_};
    if (waiting_.size() >= most_waiting_)
      return false;
    waiting_.push_back(std::move(w));
  }
  changed_.notify_one();
  return true;
}

void work_queue::run() {
  for (;;) {
    auto next = work{};
    {
      auto lock = std::unique_lock{mutex_};
      changed_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
      if (stop_)
        return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
    }
    try {
      next();
    } catch (const std::exception& e) { // memory
      log_warning("serve", "a request was dropped: {}", e.what());
    }
  }
}

} // namespace larql::serve
