// Cuts a connection's bytes into frames, for a broker that asks CAF for exact numbers of bytes.
//
// A small frame arrives in one buffer that is moved on, not copied. A large one is received in
// pieces, so that memory grows with the bytes that really came and not with a claimed length.
//
// Threads   Plain state; owned by one broker.

#pragma once

#include "runtime/base/result.hpp"
#include "schema/codec.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace larql::actors {

class frame_reader {
public:
  /// Bytes to ask for next.
  [[nodiscard]] std::size_t wanted() const noexcept {
    return body_bytes_ == 0 ? schema::frame_header_bytes
                            : std::min(piece_bytes, body_bytes_ - body_.size());
  }

  /// Takes exactly wanted() bytes. Returns a payload when a frame is complete.
  [[nodiscard]] result<std::optional<std::vector<char>>> take(std::vector<char>& bytes) {
    auto none = std::optional<std::vector<char>>{};
    if (body_bytes_ == 0) {
      LARQL_TRY(body_bytes_, schema::decode_header(bytes, schema::max_frame_bytes));
      return none;
    }
    if (body_.empty())
      body_ = std::move(bytes);
    else
      body_.insert(body_.end(), bytes.begin(), bytes.end());
    if (body_.size() < body_bytes_)
      return none;
    body_bytes_ = 0;
    auto whole = std::optional<std::vector<char>>{std::move(body_)};
    body_.clear();
    return whole;
  }

private:
  static constexpr std::size_t piece_bytes = 1 << 20;

  std::size_t body_bytes_ = 0; // 0: the next bytes are a header
  std::vector<char> body_;
};

} // namespace larql::actors
