#include "cli/serve/server/answer_exchange.hpp"

#include "cli/serve/server/replies.hpp"

namespace larql::serve {

// ---- answer_state -------------------------------------------------------------------------------

void answer_state::refuse(api_error error) {
  {
    const auto lock = std::scoped_lock{mutex_};
    known_ = error_reply(shape_, error);
  }
  waker_.wake();
}

void answer_state::answer(ordered_json whole) {
  {
    const auto lock = std::scoped_lock{mutex_};
    known_ = json_reply(whole);
  }
  waker_.wake();
}

void answer_state::admit(std::unique_ptr<answer_writer> writer,
                         std::unique_ptr<completion> handle) {
  auto unwanted = std::shared_ptr<completion>{std::move(handle)};
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return; // the client left meanwhile, and `unwanted` is cancelled
    writer_ = std::move(writer);
    handle_ = std::move(unwanted);
  }
  apply_pause();
  waker_.wake();
}

void answer_state::push(completion_event event) {
  auto pauses = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return;
    inbox_bytes_ += size_of(event);
    inbox_.push_back(std::move(event));
    if (inbox_bytes_ > limits_.max_unread_bytes && !paused_) {
      paused_ = std::chrono::steady_clock::now();
      pauses = true;
    }
  }
  if (pauses)
    apply_pause();
  waker_.wake();
}

bool answer_state::is_dropped() const {
  const auto lock = std::scoped_lock{mutex_};
  return is_dropped_;
}

// Two threads may want to pause and to resume at the same time: what they do follows the state, in
// its order.
void answer_state::apply_pause() {
  const auto one_at_a_time = std::scoped_lock{pause_mutex_};
  auto handle = std::shared_ptr<completion>{};
  auto pause = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    handle = handle_;
    pause = paused_.has_value();
  }
  if (!handle || pause == is_pause_told_)
    return;
  is_pause_told_ = pause;
  if (pause)
    handle->pause();
  else
    handle->resume();
}

// All that came, or as much as becomes a few tens of kilobytes.
std::deque<completion_event> answer_state::take() {
  constexpr auto most_bytes = std::size_t{16} << 10;
  auto out = std::deque<completion_event>{};
  auto resumes = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    for (auto bytes = std::size_t{0}; !inbox_.empty() && bytes < most_bytes; inbox_.pop_front()) {
      const auto size = size_of(inbox_.front());
      bytes += size;
      inbox_bytes_ -= size;
      out.push_back(std::move(inbox_.front()));
    }
    resumes = paused_ && inbox_bytes_ < limits_.max_unread_bytes / 2;
    if (resumes)
      paused_.reset();
  }
  if (resumes)
    apply_pause();
  return out;
}

// ---- answer_exchange ----------------------------------------------------------------------------

answer_exchange::~answer_exchange() {
  auto handle = std::shared_ptr<completion>{}; // is cancelled when the lock is free again
  const auto lock = std::scoped_lock{state_->mutex_};
  state_->is_dropped_ = true;
  state_->inbox_.clear();
  handle = std::move(state_->handle_);
}

bool answer_exchange::take_writer() {
  const auto lock = std::scoped_lock{state_->mutex_};
  if (state_->writer_)
    writer_ = std::move(state_->writer_);
  return writer_ != nullptr;
}

std::optional<actors::http_reply> answer_exchange::reply() {
  {
    const auto lock = std::scoped_lock{state_->mutex_};
    if (state_->known_)
      return finished(*std::move(state_->known_));
  }
  if (!take_writer())
    return std::nullopt;
  if (!writer_->streams())
    return whole_reply();
  auto out = actors::http_reply{};
  out.is_stream = true;
  // The last one keeps proxies from collecting a stream before they pass it on.
  out.headers = {{"Content-Type", std::string{writer_->content_type()}},
                 {"Cache-Control", "no-store"},
                 {"X-Accel-Buffering", "no"}};
  return finished(std::move(out));
}

actors::http_reply answer_exchange::finished(actors::http_reply reply) const {
  reply.headers.insert(reply.headers.end(), state_->headers_.begin(), state_->headers_.end());
  return reply;
}

std::optional<actors::http_reply> answer_exchange::whole_reply() {
  for (;;) {
    const auto events = state_->take();
    if (events.empty())
      return std::nullopt;
    for (const auto& event : events) {
      result_bytes_ += size_of(event);
      result_.add(event);
    }
    auto out = std::optional<actors::http_reply>{};
    if (result_bytes_ > state_->limits_.max_whole_bytes)
      out = error_reply(state_->shape_, {error_kind::internal,
                                         "the answer is too large to be sent whole: use a stream"});
    else if (result_.error())
      out = error_reply(state_->shape_, *result_.error());
    else if (result_.ended())
      out = json_reply(writer_->whole(result_));
    if (out)
      return finished(*std::move(out));
  }
}

actors::http_exchange::next answer_exchange::read(std::string& out) {
  if (has_ended_)
    return next::end;
  const auto before = out.size(); // the caller's own
  if (!std::exchange(has_begun_, true))
    writer_->begin(out);
  for (auto more = true; more && out.size() == before;) {
    const auto events = state_->take();
    more = !events.empty();
    for (const auto& event : events) {
      writer_->write(event, out);
      has_ended_ = has_ended_ || std::holds_alternative<completion_end>(event) ||
                   std::holds_alternative<api_error>(event);
    }
  }
  if (std::exchange(wants_keep_alive_, false) && out.size() == before)
    writer_->keep_alive(out);
  if (out.size() != before)
    last_bytes_ = clock::now();
  if (has_ended_)
    return next::end;
  return out.size() == before ? next::wait : next::more;
}

bool answer_exchange::tick(clock::time_point now) {
  {
    const auto lock = std::scoped_lock{state_->mutex_};
    if (state_->paused_ && now - *state_->paused_ > state_->limits_.longest_pause)
      return false;
  }
  if (has_begun_ && !has_ended_ && now - last_bytes_ >= state_->limits_.keep_alive) {
    wants_keep_alive_ = true;
    state_->waker_.wake();
  }
  return true;
}

} // namespace larql::serve
