#include "cli/serve/server/kept_answer.hpp"

#include "cli/serve/server/replies.hpp"

#include <limits>

namespace larql::serve {

namespace {

constexpr auto most_read_bytes = std::size_t{32} << 10;

} // namespace

kept_answer::~kept_answer() {
  drop();
}

// ---- what comes ---------------------------------------------------------------------------------

void kept_answer::refuse(api_error error) {
  {
    const auto lock = std::scoped_lock{mutex_};
    known_ = error_reply(protocol::openai, error);
    has_ended_ = true;
  }
  wake_readers();
}

void kept_answer::answer(ordered_json whole) {
  {
    const auto lock = std::scoped_lock{mutex_};
    known_ = json_reply(whole);
    has_ended_ = true;
  }
  wake_readers();
}

void kept_answer::admit(std::unique_ptr<answer_writer> writer, std::unique_ptr<completion> handle) {
  if (!inbox_.admit(std::move(handle)))
    return;
  {
    const auto lock = std::scoped_lock{mutex_};
    arrived_ = std::move(writer);
  }
  wake_readers();
}

void kept_answer::push(completion_event event) {
  const auto ends = is_last(event);
  inbox_.push(std::move(event));
  if (ends) {
    const auto lock = std::scoped_lock{mutex_};
    has_ended_ = true;
  }
  wake_readers();
}

bool kept_answer::is_dropped() const {
  return inbox_.is_dropped();
}

void kept_answer::wake_readers() {
  auto wakers = std::vector<actors::http_waker>{};
  {
    const auto lock = std::scoped_lock{mutex_};
    for (const auto& [id, waker] : readers_)
      wakers.push_back(waker);
  }
  for (const auto& waker : wakers)
    waker.wake();
}

// ---- readers ------------------------------------------------------------------------------------

kept_answer::reader_id kept_answer::open(actors::http_waker waker) {
  const auto lock = std::scoped_lock{mutex_};
  readers_.emplace(next_reader_, std::move(waker));
  return next_reader_++;
}

void kept_answer::close(reader_id reader, clock::time_point now) {
  const auto lock = std::scoped_lock{mutex_};
  readers_.erase(reader);
  left_ = now;
}

std::optional<actors::http_reply> kept_answer::reply() {
  {
    const auto lock = std::scoped_lock{mutex_};
    if (known_)
      return known_;
    if (arrived_)
      writer_ = std::move(arrived_);
  }
  if (!writer_ && !is_dropped())
    return std::nullopt;
  if (!writer_)
    return error_reply(protocol::openai, {error_kind::not_found, "this answer was stopped"});
  return stream_reply(writer_->content_type());
}

// Events become bytes once, for all readers.
void kept_answer::take_events() {
  if (!writer_ || log_.ended())
    return;
  auto is_over = inbox_.is_dropped();
  auto bytes = std::string{};
  for (const auto& event : inbox_.take(std::numeric_limits<std::size_t>::max())) {
    writer_->write(event, bytes);
    is_over = is_over || is_last(event);
  }
  if (!bytes.empty()) {
    log_.append(bytes);
    last_bytes_ = clock::now();
  }
  if (!is_over)
    return;
  log_.end();
  inbox_.release();
}

bool kept_answer::has(std::uint64_t offset) {
  take_events();
  return log_.has(offset);
}

actors::http_exchange::next kept_answer::read(std::uint64_t& offset, std::string& out) {
  using next = actors::http_exchange::next;
  take_events();
  if (!log_.has(offset))
    return next::abort;
  const auto before = out.size();
  log_.read(offset, most_read_bytes, out);
  if (log_.ended() && offset == log_.end_offset())
    return next::end;
  return out.size() > before ? next::more : next::wait;
}

void kept_answer::keep_alive(clock::time_point now) {
  if (!writer_ || log_.ended() || now - last_bytes_ < limits_.keep_alive)
    return;
  auto bytes = std::string{};
  writer_->keep_alive(bytes);
  log_.append(bytes);
  last_bytes_ = now;
  wake_readers();
}

// ---- its end ------------------------------------------------------------------------------------

void kept_answer::drop() {
  inbox_.drop();
  wake_readers();
}

bool kept_answer::is_abandoned(clock::time_point now) const {
  const auto lock = std::scoped_lock{mutex_};
  return readers_.empty() && now - left_ > limits_.linger;
}

bool kept_answer::has_ended() const {
  if (inbox_.is_dropped())
    return true;
  const auto lock = std::scoped_lock{mutex_};
  return has_ended_;
}

} // namespace larql::serve
