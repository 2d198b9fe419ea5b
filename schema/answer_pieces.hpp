// A long answer as several frames, so that what is said meanwhile need not wait for all of it.
//
// Threads   Pure function.

#pragma once

#include "schema/messages.hpp"

#include <cstdint>
#include <vector>

namespace larql::schema {

/// Appends the frames of an answer: one if it fits `piece_bytes` or they are 0, else as many as it
/// takes, each of at most so many bytes or of one row. @pre the answer is whole, and its sums are
/// rows of `hidden` (schema/sums.hpp)
void encode_in_pieces(const expert_result& whole, std::size_t hidden, std::uint32_t piece_bytes,
                      std::vector<char>& out);

} // namespace larql::schema
