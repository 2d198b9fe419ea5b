// How much memory keys and values take, before there are any.

#pragma once

#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstdint>
#include <optional>

namespace larql::gemma4 {

/// Bytes of the blocks of a sequence of `tokens`, without snapshots: full layers keep all of them,
/// sliding layers their window, some slack, and what a pass of `chunk` tokens adds for its time.
[[nodiscard]] std::uint64_t kv_bytes(const vindex::model_config& model, kv_format format,
                                     std::uint64_t tokens, std::uint64_t chunk);

/// Memory for keys and values if nobody says how much: half of what is available once the weights
/// that every token needs are in memory, but at least `least`. `least` where the system does not
/// say what is available.
[[nodiscard]] std::uint64_t usual_kv_memory(std::optional<std::uint64_t> available_bytes,
                                            std::uint64_t weight_bytes, std::uint64_t least);

} // namespace larql::gemma4
