#include "cli/serve/server/answer_exchange.hpp"

#include "cli/serve/server/replies.hpp"

#include <limits>

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
  if (!inbox_.admit(std::move(handle)))
    return;
  {
    const auto lock = std::scoped_lock{mutex_};
    writer_ = std::move(writer);
  }
  waker_.wake();
}

void answer_state::push(completion_event event) {
  inbox_.push(std::move(event));
  waker_.wake();
}

bool answer_state::is_dropped() const {
  return inbox_.is_dropped();
}

// As much as becomes a few tens of kilobytes.
std::deque<completion_event> answer_state::take() {
  return inbox_.take(std::size_t{16} << 10);
}

// ---- answer_exchange ----------------------------------------------------------------------------

answer_exchange::~answer_exchange() {
  state_->inbox_.drop();
  // The backend may keep the state for a while, and nobody reads what came.
  static_cast<void>(state_->inbox_.take(std::numeric_limits<std::size_t>::max()));
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
  return finished(stream_reply(writer_->content_type()));
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
      has_ended_ = has_ended_ || is_last(event);
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
  if (const auto since = state_->inbox_.paused_since();
      since && now - *since > state_->limits_.longest_pause)
    return false;
  if (has_begun_ && !has_ended_ && now - last_bytes_ >= state_->limits_.keep_alive) {
    wants_keep_alive_ = true;
    state_->waker_.wake();
  }
  return true;
}

} // namespace larql::serve
