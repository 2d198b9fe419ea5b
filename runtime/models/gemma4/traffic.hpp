// How many bytes of weights one token must read: what the speed of decoding is measured against.

#pragma once

#include "runtime/vindex/vindex.hpp"

#include <cstdint>

namespace larql::gemma4 {

/// Bytes of the matrices that every token reads on the laptop: attention, router, dense branch and
/// head, without experts, norms and the KV cache.
[[nodiscard]] std::uint64_t dense_bytes_per_token(const vindex::dense_weights& weights);

} // namespace larql::gemma4
