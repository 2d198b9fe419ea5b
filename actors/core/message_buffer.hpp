// A call and its answer as they travel between actors, with the buffer that holds their bytes:
// shared, never copied, encoded once where they are made and decoded once where they arrive.
//
//     router ──outgoing_call──► node link ══ network ══► client connection ──received_call──► shard
//     router ◄─received_result─ node link ══ network ══ client connection ◄─encoded_frame──── shard

#pragma once

#include "actors/core/buffer_pool.hpp"
#include "schema/messages.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

namespace larql::actors {

/// A whole frame of this process. A connection that sends it takes its bytes: it is sent once.
struct encoded_frame {
  shared_buffer bytes;
};

/// A call as a frame.
struct outgoing_call {
  std::uint64_t id = 0; ///< as in the frame
  shared_buffer frame;
};

/// A message from the network.
template <class Message>
struct received {
  shared_buffer buffer; ///< what the message's spans point into
  Message message;
};

using received_result = received<schema::expert_result>;

struct received_call : received<schema::expert_call> {
  std::chrono::steady_clock::time_point arrived{};
  /// Set when the answer is not wanted any more; a call that is not computed yet is then dropped.
  /// May be null.
  std::shared_ptr<const std::atomic<bool>> abandoned;

  [[nodiscard]] bool is_abandoned() const noexcept { return abandoned && abandoned->load(); }
};

/// Puts a frame behind what waits in `out`: without copying if nothing does.
inline void hand_over(std::vector<char>& frame, std::vector<char>& out) {
  if (out.empty())
    out.swap(frame);
  else
    out.insert(out.end(), frame.begin(), frame.end());
}

} // namespace larql::actors

// These stay inside this process: what crosses the network are frames, sent by a broker.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::encoded_frame)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::outgoing_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::received_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::received_call)
