// Logarithms of probabilities, for clients that ask for them: of the raw logits, before bias,
// penalties, mask and temperature.

#pragma once

#include "runtime/kernels/kernel_set.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::generate {

struct token_logprob {
  std::uint32_t token = 0;
  float logprob = 0; ///< natural logarithm; -infinity is possible

  friend bool operator==(const token_logprob&, const token_logprob&) = default;
};

/// Of one token that was chosen.
struct token_logprobs {
  token_logprob chosen;
  std::vector<token_logprob> top; ///< the most likely ones, by falling probability, rising id

  friend bool operator==(const token_logprobs&, const token_logprobs&) = default;
};

/// Most that can be asked for.
inline constexpr std::uint32_t max_top_logprobs = 20;

/// @pre logits are not empty, chosen < logits.size(), top <= max_top_logprobs
[[nodiscard]] token_logprobs logprobs_of(std::span<const float> logits, std::uint32_t chosen,
                                         std::uint32_t top, const kernels::kernel_set& k,
                                         std::vector<float>& scratch);

} // namespace larql::generate
