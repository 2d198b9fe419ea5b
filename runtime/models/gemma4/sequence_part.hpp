// What one pass of the forward computes: consecutive tokens of one or of several sequences.

#pragma once

#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstdint>
#include <span>

namespace larql::gemma4 {

/// Tokens at positions first, first + 1, ... of the sequence whose cache this is.
/// @pre every token is below the vocabulary size; tokens.size() <= cache->max_chunk() and
///      first + tokens.size() <= cache->max_context()
struct sequence_part {
  std::span<const std::uint32_t> tokens;
  std::uint32_t first = 0;
  kv_cache* cache = nullptr;
};

/// Where one row of a pass belongs.
struct row_position {
  std::uint32_t position = 0;
  kv_cache* cache = nullptr;
};

} // namespace larql::gemma4
