#include "cli/serve/server/kept_answer.hpp"

#include "cli/serve/server/replies.hpp"

namespace larql::serve {

namespace {

constexpr auto most_read_bytes = std::size_t{32} << 10;

bool is_last(const completion_event& event) {
  return std::holds_alternative<completion_end>(event) || std::holds_alternative<api_error>(event);
}

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
  auto unwanted = std::shared_ptr<completion>{std::move(handle)};
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return; // and `unwanted` is cancelled
    arrived_ = std::move(writer);
    handle_ = std::move(unwanted);
  }
  apply_pause();
  wake_readers();
}

void kept_answer::push(completion_event event) {
  auto pauses = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    if (is_dropped_)
      return;
    has_ended_ = has_ended_ || is_last(event);
    inbox_bytes_ += size_of(event);
    inbox_.push_back(std::move(event));
    if (inbox_bytes_ > limits_.max_unread_bytes && !is_paused_)
      is_paused_ = pauses = true;
  }
  if (pauses)
    apply_pause();
  wake_readers();
}

bool kept_answer::is_dropped() const {
  const auto lock = std::scoped_lock{mutex_};
  return is_dropped_;
}

// Two threads may want to pause and to resume at the same time: what they do follows the state, in
// its order.
void kept_answer::apply_pause() {
  const auto one_at_a_time = std::scoped_lock{pause_mutex_};
  auto handle = std::shared_ptr<completion>{};
  auto pause = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    handle = handle_;
    pause = is_paused_;
  }
  if (!handle || pause == is_pause_told_)
    return;
  is_pause_told_ = pause;
  if (pause)
    handle->pause();
  else
    handle->resume();
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
  auto out = actors::http_reply{};
  out.is_stream = true;
  // The last one keeps proxies from collecting a stream before they pass it on.
  out.headers = {{"Content-Type", std::string{writer_->content_type()}},
                 {"Cache-Control", "no-store"},
                 {"X-Accel-Buffering", "no"}};
  return out;
}

// Events become bytes once, for all readers.
void kept_answer::take_events() {
  if (!writer_ || log_.ended())
    return;
  auto events = std::deque<completion_event>{};
  auto is_over = false, resumes = false;
  {
    const auto lock = std::scoped_lock{mutex_};
    events.swap(inbox_);
    inbox_bytes_ = 0;
    is_over = is_dropped_;
    resumes = std::exchange(is_paused_, false);
  }
  auto bytes = std::string{};
  for (const auto& event : events) {
    writer_->write(event, bytes);
    is_over = is_over || is_last(event);
  }
  if (!bytes.empty()) {
    log_.append(bytes);
    last_bytes_ = clock::now();
  }
  if (resumes)
    apply_pause();
  if (!is_over)
    return;
  log_.end();
  auto handle = std::shared_ptr<completion>{}; // what the backend keeps for it is free now
  const auto lock = std::scoped_lock{mutex_};
  handle = std::move(handle_);
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
  auto handle = std::shared_ptr<completion>{}; // is cancelled when the lock is free again
  {
    const auto lock = std::scoped_lock{mutex_};
    is_dropped_ = true;
    handle = std::move(handle_);
  }
  wake_readers();
}

bool kept_answer::is_abandoned(clock::time_point now) const {
  const auto lock = std::scoped_lock{mutex_};
  return readers_.empty() && now - left_ > limits_.linger;
}

bool kept_answer::has_ended() const {
  const auto lock = std::scoped_lock{mutex_};
  return has_ended_ || is_dropped_;
}

} // namespace larql::serve
