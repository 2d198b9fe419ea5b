#include "runtime/models/gemma4/kv_size.hpp"

#include <algorithm>

namespace larql::gemma4 {

std::uint64_t kv_bytes(const vindex::model_config& model, kv_format format, std::uint64_t tokens,
                       std::uint64_t chunk) {
  const auto number_bytes = format == kv_format::f16 ? 2u : 4u;
  // A window begins and ends anywhere in a block.
  const auto most_sliding = model.window + kv_cache::slack_positions + chunk + kv_block_positions;
  auto sum = std::uint64_t{0};
  for (auto l = 0u; l < model.layers; ++l) {
    const auto kept = model.sliding[l] ? std::min<std::uint64_t>(tokens, most_sliding) : tokens;
    const auto blocks = (kept + kv_block_positions - 1) / kv_block_positions;
    sum += blocks * kv_block_positions * 2 * number_bytes * model.kv_heads_of(l) *
           model.head_dim_of(l);
  }
  return sum;
}

std::uint64_t usual_kv_memory(std::optional<std::uint64_t> available_bytes,
                              std::uint64_t weight_bytes, std::uint64_t least) {
  const auto available = available_bytes.value_or(0);
  return std::max((available - std::min(available, weight_bytes)) / 2, least);
}

} // namespace larql::gemma4
