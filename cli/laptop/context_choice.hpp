// How many tokens a conversation may have if nobody says: what the model was trained for, as far as
// there is memory for their keys and values.

#pragma once

#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace larql::cli {

enum class context_reason {
  asked,   ///< somebody said so
  trained, ///< what the model was trained for
  memory,  ///< fewer than that, as memory is short
  usual,   ///< index.json does not say what the model was trained for
};

struct context_choice {
  std::uint32_t tokens = 0;
  std::uint32_t trained = 0; ///< 0: unknown
  context_reason reason = context_reason::asked;

  /// "131072 tokens, as the model was trained"
  [[nodiscard]] std::string text() const;
};

/// Where index.json does not say what the model was trained for.
inline constexpr std::uint32_t usual_context = 8192;

/// At most half of `available_bytes` goes to keys and values; at least usual_context or what the
/// model was trained for stays, as memory is only taken when it is needed. Not bounded if nobody
/// knows the memory.
[[nodiscard]] context_choice choose_context(const vindex::model_config& model,
                                            gemma4::kv_format format,
                                            std::optional<std::uint64_t> available_bytes);

} // namespace larql::cli
