#include "cli/serve/server/event_inbox.hpp"

#include <utility>
#include <variant>

namespace larql::serve {

bool is_last(const completion_event& event) noexcept {
  return std::holds_alternative<completion_end>(event) || std::holds_alternative<api_error>(event);
}

bool event_inbox::admit(std::unique_ptr<completion> handle) {
  auto unwanted = std::shared_ptr<completion>{std::move(handle)};
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return false; // the client left meanwhile, and `unwanted` is cancelled
    handle_ = std::move(unwanted);
  }
  apply_pause();
  return true;
}

void event_inbox::push(completion_event event) {
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return;
    bytes_ += size_of(event);
    events_.push_back(std::move(event));
    if (bytes_ <= max_unread_bytes_ || paused_since_)
      return;
    paused_since_ = clock::now();
  }
  apply_pause();
}

std::deque<completion_event> event_inbox::take(std::size_t most_bytes) {
  auto out = std::deque<completion_event>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    for (auto taken = std::size_t{0}; !events_.empty() && taken < most_bytes; events_.pop_front()) {
      const auto size = size_of(events_.front());
      taken += size;
      bytes_ -= size;
      out.push_back(std::move(events_.front()));
    }
    if (!paused_since_ || bytes_ >= max_unread_bytes_ / 2)
      return out;
    paused_since_.reset();
  }
  apply_pause();
  return out;
}

// Two threads may want to pause and to resume at the same time: what they do follows the state, in
// its order.
void event_inbox::apply_pause() {
  const auto one_at_a_time = std::scoped_lock{pause_mutex_};
  auto handle = std::shared_ptr<completion>{};
  auto pause = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    handle = handle_;
    pause = paused_since_.has_value();
  }
  if (!handle || pause == is_pause_told_)
    return;
  is_pause_told_ = pause;
  if (pause)
    handle->pause();
  else
    handle->resume();
}

void event_inbox::drop() {
  auto handle = std::shared_ptr<completion>{}; // is cancelled when the lock is free again
  const auto lock = std::scoped_lock{mutex_};
  is_dropped_ = true;
  handle = std::move(handle_);
}

void event_inbox::release() {
  auto handle = std::shared_ptr<completion>{};
  const auto lock = std::scoped_lock{mutex_};
  handle = std::move(handle_);
}

bool event_inbox::is_dropped() const {
  const auto lock = std::scoped_lock{mutex_};
  return is_dropped_;
}

std::optional<event_inbox::clock::time_point> event_inbox::paused_since() const {
  const auto lock = std::scoped_lock{mutex_};
  return paused_since_;
}

} // namespace larql::serve
