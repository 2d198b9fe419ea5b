// How much memory keys and values may take if nobody says, and what fits into it.

#pragma once

#include "runtime/models/gemma4/kv_size.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace larql::cli {

struct kv_memory_choice {
  std::uint64_t bytes = 0;
  std::uint64_t per_sequence = 0; ///< of one that fills the context
  std::uint32_t context = 0;      ///< tokens
  bool asked = false;             ///< somebody said so

  [[nodiscard]] std::uint64_t sequences() const noexcept {
    return per_sequence == 0 ? 0 : bytes / per_sequence;
  }
  /// "KV memory: 6.1 GB, 2 sequences of 131072 tokens"
  [[nodiscard]] std::string text() const;
};

/// `asked`: what somebody said. Otherwise half of what is available once `weight_bytes` are in
/// memory, and at least what one sequence of the context takes.
[[nodiscard]] kv_memory_choice
choose_kv_memory(const vindex::model_config& model, gemma4::kv_format format, std::uint32_t context,
                 std::uint32_t chunk, std::optional<std::uint64_t> asked,
                 std::optional<std::uint64_t> available_bytes, std::uint64_t weight_bytes);

} // namespace larql::cli
