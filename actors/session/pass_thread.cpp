#include "actors/session/pass_thread.hpp"

#include <system_error>

namespace larql::actors {

result<std::shared_ptr<pass_thread>> pass_thread::start(std::unique_ptr<scheduler> work,
                                                        std::function<void()> rest) {
  auto out = std::shared_ptr<pass_thread>{new pass_thread{std::move(work), std::move(rest)}};
  // What the scheduler starts elsewhere ends before the thread does: is_idle() counts it.
  out->work_->on_later = [self = out.get()](command c) { self->post(std::move(c)); };
  try {
    out->thread_ = std::thread{[self = out.get()] { self->run(); }};
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start the thread that computes: {}", e.what());
  }
  return out;
}

void pass_thread::post(command c) {
  const auto lock = std::scoped_lock{mutex_};
  if (ended_)
    return;
  commands_.push_back(std::move(c));
  has_commands_.store(true, std::memory_order_release);
  posted_.notify_one();
}

void pass_thread::end() {
  {
    const auto lock = std::scoped_lock{mutex_};
    ending_ = true;
    posted_.notify_one();
  }
  if (thread_.joinable())
    thread_.join();
}

// True if there were any.
bool pass_thread::run_commands() {
  if (!has_commands_.load(std::memory_order_acquire))
    return false;
  auto now = std::vector<command>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    now.swap(commands_);
    has_commands_.store(false, std::memory_order_relaxed);
  }
  for (auto& c : now)
    c(*work_);
  return !now.empty();
}

void pass_thread::run() {
  for (;;) {
    (void) run_commands();
    if (work_->step())
      continue;
    rest_();
    auto lock = std::unique_lock{mutex_};
    posted_.wait(lock, [&] { return !commands_.empty() || (ending_ && work_->is_idle()); });
    if (commands_.empty()) {
      ended_ = true;
      return;
    }
  }
}

} // namespace larql::actors
