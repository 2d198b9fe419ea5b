#include "actors/node/placed_session.hpp"

#include "runtime/base/sha256.hpp"
#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

event_log::~event_log() {
  while (!frames_.empty())
    drop_front();
}

void event_log::drop_front() {
  bytes_ -= frames_.front().size();
  wipe(frames_.front());
  frames_.pop_front();
}

const std::vector<char>& event_log::add(const schema::session_key& id,
                                        schema::session_event event) {
  event.number = ++last_;
  auto& frame = frames_.emplace_back();
  schema::encode(schema::session_message{id, std::move(event)}, frame);
  bytes_ += frame.size();
  return frame;
}

bool event_log::acknowledge(std::uint64_t number) {
  if (number > last_)
    return false;
  while (last_ - frames_.size() < number)
    drop_front();
  return true;
}

std::size_t placed_request::open() const {
  return static_cast<std::size_t>(
      std::count_if(answers.begin(), answers.end(), [](const answer& a) { return !a.ended; }));
}

bool placed_session::belongs_to(const peer_identity& other) const {
  return owner.role == other.role && owner.name == other.name;
}

std::size_t placed_session::open_answers() const {
  auto sum = std::size_t{0};
  for (const auto& [number, r] : requests)
    sum += r.open();
  return sum;
}

std::string placed_session::who() const {
  if (owner.name.empty())
    return peer;
  return fmt::format("{} {} ({})", name_of(owner.role), owner.name, peer);
}

std::string placed_session::clients() const {
  return to_hex(id) + "/";
}

} // namespace larql::actors
