#include "actors/net/http_slot.hpp"

#include "runtime/base/parse_number.hpp"

#include <algorithm>
#include <cstring>

namespace larql::actors {

void http_slot::refuse(http_reply reply) {
  refusal_ = std::move(reply);
  request_.body = {};
  request_.memory.reset();
}

bool http_slot::begin(http_handler& handler, const std::shared_ptr<memory_budget>& budget) {
  const auto length = parse_number<std::uint64_t>(request_.header("content-length")).value_or(0);
  if (auto refused = handler.check(request_))
    refuse(*std::move(refused));
  else if (length > bounds_.max_body_bytes)
    refuse(handler.too_large(request_, bounds_.max_body_bytes));
  else
    request_.memory = std::make_shared<budget_share>(budget);
  // A client that waits for "100 Continue" has sent nothing that would have to be thrown away.
  return refusal_ && (length > bounds_.swallow_bytes || request_.has_header("expect"));
}

bool http_slot::take(http_handler& handler, std::string_view bytes) {
  if (!refusal_) {
    const auto size = request_.body.size() + bytes.size();
    if (size > bounds_.max_body_bytes)
      refuse(handler.too_large(request_, bounds_.max_body_bytes));
    else if (!request_.memory->hold(size))
      refuse(handler.no_memory(request_));
  }
  if (refusal_) {
    swallowed_ += bytes.size();
    return swallowed_ <= bounds_.swallow_bytes;
  }
  request_.body.append(bytes);
  return true;
}

void http_slot::start(http_handler& handler, http_waker waker) {
  started_ = true;
  if (!refusal_)
    exchange_ = handler.start(std::move(request_), std::move(waker));
}

std::optional<http_reply> http_slot::reply() {
  if (refusal_)
    return std::exchange(refusal_, std::nullopt);
  return exchange_ ? exchange_->reply() : std::nullopt;
}

http_slot::state http_slot::read(char* to, std::size_t room, std::size_t& count) {
  count = 0;
  while (sent_ == pending_.size()) {
    pending_.clear();
    sent_ = 0;
    if (is_gone_ || !exchange_)
      return state::abort;
    if (has_ended_)
      return state::end;
    switch (exchange_->read(pending_)) {
    case http_exchange::next::abort: return state::abort;
    case http_exchange::next::end: has_ended_ = true; break;
    case http_exchange::next::more:
    case http_exchange::next::wait:
      if (pending_.empty())
        return state::wait;
      break;
    }
  }
  count = std::min(room, pending_.size() - sent_);
  std::memcpy(to, pending_.data() + sent_, count);
  sent_ += count;
  return state::bytes;
}

} // namespace larql::actors
