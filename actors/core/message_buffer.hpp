// The bytes of one message as they travel between actors: shared, never copied.
//
// A payload that this process encoded holds a whole frame and can be sent as it is; one that was
// received holds the message alone. body() is the message in both cases. A connection that sends a
// frame takes its bytes: it is sent once.

#pragma once

#include "actors/core/buffer_pool.hpp"
#include "schema/messages.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <atomic>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace larql::actors {

struct payload {
  shared_buffer buffer;
  std::size_t offset = 0;
  /// Set when nobody wants the answer any more; work that has not begun is then dropped. May be
  /// null.
  std::shared_ptr<const std::atomic<bool>> abandoned;

  [[nodiscard]] bool is_abandoned() const noexcept { return abandoned && abandoned->load(); }

  [[nodiscard]] std::span<const char> body() const noexcept {
    return std::span{*buffer}.subspan(offset);
  }
};

/// A frame made by schema::encode.
inline payload frame_payload(shared_buffer frame) {
  return {std::move(frame), schema::frame_header_bytes, {}};
}
inline payload frame_payload(std::vector<char> frame) {
  return frame_payload(std::make_shared<std::vector<char>>(std::move(frame)));
}

/// A message that came from the network.
inline payload received_payload(shared_buffer body,
                                std::shared_ptr<const std::atomic<bool>> abandoned = {}) {
  return {std::move(body), 0, std::move(abandoned)};
}
inline payload received_payload(std::vector<char> body,
                                std::shared_ptr<const std::atomic<bool>> abandoned = {}) {
  return received_payload(std::make_shared<std::vector<char>>(std::move(body)),
                          std::move(abandoned));
}

/// Puts a frame behind what waits in `out`: without copying if nothing does.
inline void hand_over(std::vector<char>& frame, std::vector<char>& out) {
  if (out.empty())
    out.swap(frame);
  else
    out.insert(out.end(), frame.begin(), frame.end());
}

} // namespace larql::actors

// Payloads stay inside this process: what crosses the network are their bytes, framed by a broker.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::payload)
