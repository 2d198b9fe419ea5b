// One direction of a connection that a test makes as bad as it likes: bytes that are put in come
// out later, in pieces, twice, in another order, damaged, cut off, or never.
//
// Like a real connection it carries a stream: a lost packet is a stall, not a hole. What TCP would
// not do by itself but a broken peer may, it does to whole frames: send one twice, change the order
// of two, stop in the middle of one, damage a frame's header. (Damage inside a frame is what TLS is
// for: tests/actors/net/tls_test.cpp.)
//
// Units     Virtual microseconds. The same seed and the same input give the same output.

#pragma once

#include "schema/codec.hpp"
#include "tests/support/random_weights.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

namespace larql::test {

/// Chances are of 1000, for each frame.
struct shim_profile {
  std::chrono::microseconds delay{1000};
  std::chrono::microseconds jitter{0};
  std::uint32_t stall = 0; ///< a packet is lost once or more: 200 ms, 400 ms, ...
  std::uint32_t duplicate = 0;
  std::uint32_t swap = 0;
  std::uint32_t damage = 0;
  std::uint32_t cut = 0;       ///< half a frame, then the end of the connection
  std::uint32_t half_open = 0; ///< from here on nothing arrives, and nobody is told
};

class network_shim {
public:
  using time = std::chrono::microseconds; ///< since the test began

  /// `profile` and `random` belong to the test, which may change them.
  network_shim(const shim_profile& profile, random_source& random)
      : profile_(&profile), random_(&random) {}

  /// What the sender has written: whole frames.
  void put(std::span<const char> bytes, time now) {
    while (!bytes.empty()) {
      auto length = std::uint32_t{0};
      std::memcpy(&length, bytes.data() + 4, 4);
      const auto n = schema::frame_header_bytes + length;
      put_frame({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}, now);
      bytes = bytes.subspan(n);
    }
  }
  /// The sender has closed the connection.
  void end(time now) { queue_.push_back({due(now), {}, true}); }

  /// Nothing arrives before `until`: a process that is stopped, a cable that is out.
  void hold(time until) { held_until_ = std::max(held_until_, until); }

  struct delivery {
    std::vector<char> bytes;
    bool is_end = false;
  };
  /// What arrives by `now`, piece by piece.
  [[nodiscard]] std::optional<delivery> take(time now) {
    if (waiting_ && waiting_since_ + longest_swap < now)
      push(*std::exchange(waiting_, std::nullopt), now);
    if (queue_.empty() || queue_.front().due > now || held_until_ > now)
      return std::nullopt;
    auto out = delivery{std::move(queue_.front().bytes), queue_.front().is_end};
    queue_.pop_front();
    return out;
  }

private:
  static constexpr auto longest_swap = std::chrono::milliseconds{20};

  struct piece {
    time due;
    std::vector<char> bytes;
    bool is_end = false;
  };

  [[nodiscard]] bool happens(std::uint32_t chance) { return random_->below(1000) < chance; }

  time due(time now) {
    auto at = now + profile_->delay;
    if (profile_->jitter.count() > 0)
      at += time{random_->below(static_cast<std::uint32_t>(profile_->jitter.count()))};
    for (auto retry = std::chrono::milliseconds{200}; happens(profile_->stall); retry *= 2)
      at += retry;
    last_due_ = std::max(last_due_, at); // a stream: nothing overtakes
    return last_due_;
  }

  void put_frame(std::vector<char> frame, time now) {
    if (happens(profile_->half_open))
      half_open_ = true;
    if (half_open_)
      return;
    if (happens(profile_->cut)) {
      frame.resize(random_->below(static_cast<std::uint32_t>(frame.size())));
      push(frame, now);
      return end(now);
    }
    if (happens(profile_->damage))
      frame[random_->below(schema::frame_header_bytes)] ^=
          static_cast<char>(1u << random_->below(8));
    if (!waiting_ && happens(profile_->swap)) {
      waiting_ = std::move(frame);
      waiting_since_ = now;
      return;
    }
    push(frame, now);
    if (happens(profile_->duplicate))
      push(frame, now);
    if (waiting_)
      push(*std::exchange(waiting_, std::nullopt), now);
  }

  // In up to four pieces.
  void push(std::span<const char> bytes, time now) {
    while (!bytes.empty()) {
      const auto n = random_->below(4) == 0
                         ? bytes.size()
                         : 1 + random_->below(static_cast<std::uint32_t>(bytes.size()));
      const auto part = bytes.first(n);
      queue_.push_back({due(now), {part.begin(), part.end()}, false});
      bytes = bytes.subspan(n);
    }
  }

  const shim_profile* profile_;
  random_source* random_;
  std::deque<piece> queue_;
  time last_due_{0};
  time held_until_{0};
  std::optional<std::vector<char>> waiting_; // for the frame that will overtake it
  time waiting_since_{0};
  bool half_open_ = false;
};

} // namespace larql::test
