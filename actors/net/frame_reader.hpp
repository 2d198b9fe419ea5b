// Cuts a connection's bytes into frames, for a broker that asks CAF for exact numbers of bytes.
//
// A small frame arrives in one buffer that is passed on, not copied; the network gets one that
// was passed on earlier instead. A large frame is received in pieces, so that memory grows with the
// bytes that really came and not with a claimed length.
//
// Threads   Plain state; owned by one broker.

#pragma once

#include "actors/core/buffer_pool.hpp"
#include "runtime/base/result.hpp"
#include "schema/codec.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace larql::actors {

class frame_reader {
public:
  static constexpr std::size_t piece_bytes = 1 << 20; ///< the most to ask for at once

  frame_reader() = default;
  /// Longer frames than that are an error.
  explicit frame_reader(std::uint32_t most_bytes) noexcept : most_bytes_(most_bytes) {}

  /// Bytes to ask for next.
  [[nodiscard]] std::size_t wanted() const noexcept {
    return body_bytes_ == 0 ? schema::frame_header_bytes
                            : std::min(piece_bytes, body_bytes_ - (body_ ? body_->size() : 0));
  }

  /// Bytes of a frame that has not come whole.
  [[nodiscard]] std::size_t held() const noexcept { return body_ ? body_->size() : 0; }

  /// Takes exactly wanted() bytes; what is in `bytes` afterwards means nothing. Returns a payload
  /// when a frame is complete, else null.
  [[nodiscard]] result<shared_buffer> take(std::vector<char>& bytes) {
    if (body_bytes_ == 0) {
      LARQL_TRY(body_bytes_, schema::decode_header(bytes, most_bytes_));
      return shared_buffer{};
    }
    if (body_) {
      body_->insert(body_->end(), bytes.begin(), bytes.end());
    } else {
      body_ = buffers_.take();
      body_->swap(bytes);
    }
    if (body_->size() < body_bytes_)
      return shared_buffer{};
    body_bytes_ = 0;
    buffers_.let_go_if_large(body_);
    return std::exchange(body_, nullptr);
  }

private:
  std::uint32_t most_bytes_ = schema::max_frame_bytes;
  std::size_t body_bytes_ = 0; // 0: the next bytes are a header
  shared_buffer body_;
  buffer_pool buffers_;
};

} // namespace larql::actors
