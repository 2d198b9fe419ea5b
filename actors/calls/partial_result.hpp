// A long answer that comes in pieces, until it is whole.
//
// Memory    Grows with the pieces that came, not with what they claim.
// Errors    A piece that does not follow the one before it; an answer larger than any may be.
// Threads   Plain state; one owner.

#pragma once

#include "actors/core/message_buffer.hpp"
#include "runtime/base/result.hpp"

#include <cstddef>
#include <vector>

namespace larql::actors {

class partial_result {
public:
  /// Takes the next piece; true: it was the last one. @pre p.is_piece()
  [[nodiscard]] result<bool> add(const schema::expert_result& p);

  /// The answer as if it had come in one message. @pre add() said that it is whole; called once
  [[nodiscard]] received_result take();

private:
  schema::expert_result last_; // its numbers, without the spans
  std::uint32_t rows_ = 0;     // that have come
  std::vector<char> widths_;
  std::vector<char> sums_;
  std::vector<char> makers_;
};

} // namespace larql::actors
