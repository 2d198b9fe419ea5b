// One session that a node holds for a laptop: who owns it, its numbered events that the laptop has
// not acknowledged, and its requests. No actors, no network.
//
// Memory    What waits for the laptop is bounded: beyond `pause` requests make no tokens, beyond
//           `most` the session is over. All of it is overwritten when it goes.
// Threads   Plain state of the session desk.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/net/peer_identity.hpp"
#include "runtime/base/wipe.hpp"
#include "runtime/grammar/constraint.hpp"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace larql::actors {

/// Events that have a number and wait to be acknowledged, as frames.
class event_log {
public:
  /// What may wait before a session's requests pause, and before it is over.
  static constexpr std::size_t pause_events = 1024, most_events = 8192;
  static constexpr std::size_t pause_bytes = 1 << 20, most_bytes = 8 << 20;

  event_log() = default;
  event_log(const event_log&) = delete;
  ~event_log();

  /// Gives the event its number and keeps it.
  const std::vector<char>& add(const schema::session_key& id, schema::session_event event);
  /// Events up to this number have come; false if there are none with that number yet.
  [[nodiscard]] bool acknowledge(std::uint64_t number);
  /// What was not acknowledged, the oldest first.
  template <class See>
  void for_each(See&& see) const {
    for (const auto& frame : frames_)
      see(frame);
  }

  [[nodiscard]] bool is_long() const noexcept {
    return frames_.size() >= pause_events || bytes_ >= pause_bytes;
  }
  [[nodiscard]] bool is_short() const noexcept {
    return frames_.size() < pause_events / 2 && bytes_ < pause_bytes / 2;
  }
  [[nodiscard]] bool is_too_long() const noexcept {
    return frames_.size() >= most_events || bytes_ >= most_bytes;
  }

private:
  void drop_front();

  std::deque<std::vector<char>> frames_; // the last one has number last_
  std::uint64_t last_ = 0;
  std::size_t bytes_ = 0;
};

/// A request of a laptop, at the session service.
struct placed_request {
  struct answer {
    std::uint64_t tokens = 0; ///< prompt and answer so far
    bool ended = false;
  };

  std::uint64_t service_id = 0; ///< 0: not admitted yet
  bool was_admitted = false;    ///< and the laptop was told
  bool cancelled = false;
  std::vector<answer> answers;   ///< one if only the prompt is read
  std::optional<failure> failed; ///< ends with this instead of a cancellation

  [[nodiscard]] std::size_t open() const;
};

struct placed_session {
  using time = std::chrono::steady_clock::time_point;

  schema::session_key id{};
  peer_identity owner;
  std::string peer;         ///< for messages
  client_actor link;        ///< null: there is no connection
  time unlinked;            ///< since when, if there is none
  time used;                ///< when something was asked or came of it last
  std::uint64_t orders = 0; ///< that have come
  event_log events;
  std::map<std::uint64_t, placed_request> requests; ///< by the laptop's id
  std::uint64_t last_request = 0;
  bool is_paused = false;
  std::shared_ptr<grammar::constraint_engine> engine; ///< its rules go with the session

  [[nodiscard]] bool belongs_to(const peer_identity& who) const;
  /// Answers that have not ended.
  [[nodiscard]] std::size_t open_answers() const;
  /// "laptop ann (10.0.0.2:5555)"
  [[nodiscard]] std::string who() const;
  /// What the names of its clients begin with at the service.
  [[nodiscard]] std::string clients() const;
};

} // namespace larql::actors
