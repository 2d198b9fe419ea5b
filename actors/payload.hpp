// The bytes of one message as they travel between actors: shared, never copied.
//
// A payload that this process encoded holds a whole frame and can be sent as it is; one that was
// received holds the message alone. body() is the message in both cases.

#pragma once

#include "schema/messages.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <atomic>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace larql::actors {

struct payload {
  std::shared_ptr<std::vector<char>> buffer;
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
inline payload frame_payload(std::vector<char> frame) {
  return {std::make_shared<std::vector<char>>(std::move(frame)), schema::frame_header_bytes, {}};
}

/// A message that came from the network.
inline payload received_payload(std::vector<char> body,
                                std::shared_ptr<const std::atomic<bool>> abandoned = {}) {
  return {std::make_shared<std::vector<char>>(std::move(body)), 0, std::move(abandoned)};
}

} // namespace larql::actors

// Payloads stay inside this process: what crosses the network are their bytes, framed by a broker.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::payload)
