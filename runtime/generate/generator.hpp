// The decode loop: prompt in, tokens out one by one, until a stop token, a limit, or the caller
// says enough.
//
// Threads   One caller; on_token runs in its thread.
// Errors    A failure of the forward pass (a lost expert, a full context) ends the loop; the
// session
//           keeps what was computed, and `stats` tells how far it came.

#pragma once

#include "runtime/generate/sampler.hpp"
#include "runtime/generate/session.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace larql::generate {

enum class stop_reason { none, stop_token, max_tokens, context_full, caller };

struct generation_stats {
  std::size_t prompt_tokens = 0;       ///< appended by this call, without reused ones
  std::chrono::nanoseconds prefill{0}; ///< of the prompt
  std::chrono::nanoseconds to_first_token{0};
  std::vector<std::chrono::nanoseconds> token_times; ///< of each further token
  std::size_t tokens = 0;                            ///< given out
  stop_reason reason = stop_reason::none;
};

struct generation_limits {
  std::size_t max_tokens = 64;
  std::vector<std::uint32_t> stop_tokens;
};

/// Appends `prompt` (not empty) to the session and generates. `on_token` gets each token that is
/// not a stop token; false ends the loop. `stats` is valid on failure as well.
[[nodiscard]] result<void> generate(session& s, std::span<const std::uint32_t> prompt,
                                    sampler& choose, const generation_limits& limits,
                                    const std::function<bool(std::uint32_t)>& on_token,
                                    generation_stats& stats);

} // namespace larql::generate
