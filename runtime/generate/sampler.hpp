// Chooses the next token from logits.
//
// Numerics  Logits are changed first: bias, then penalties for tokens that were generated before,
//           then the mask takes away what may not come. Temperature 0 takes the largest (lowest id
//           on ties). Otherwise: divide by the temperature, keep the top_k largest, of these the
//           shortest prefix whose probability reaches top_p, of these what has at least min_p times
//           the largest probability; draw one with the number of the token's index (random.hpp).
//           Probabilities are fixed point (ranking.hpp), so equal logits, seed and index give equal
//           tokens on every machine.
// Owner     A sampler is a value: it can be copied, put back and compared. The scratch is shared.
// Threads   One caller for each scratch.
// Source    docs/numerics.md, "Choosing a token".

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/generate/ranking.hpp"
#include "runtime/grammar/token_mask.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace larql::generate {

struct sampling_options {
  float temperature = 0;   ///< 0: greedy
  std::uint32_t top_k = 0; ///< 0: all
  float top_p = 1;
  float min_p = 0;
  std::uint64_t seed = 0;
  /// A positive logit of a token that was generated before is divided by this, another multiplied.
  float repetition_penalty = 1;
  float presence_penalty = 0;  ///< taken from the logit of a token that was generated before
  float frequency_penalty = 0; ///< taken once for every time that it was
  std::vector<std::pair<std::uint32_t, float>> bias; ///< added to the logits of these tokens

  friend bool operator==(const sampling_options&, const sampling_options&) = default;
};

/// Refuses numbers that make no sense, naming the option.
[[nodiscard]] result<void> check_options(const sampling_options& options);

/// Memory that choosing needs and keeps; it holds nothing between calls.
class sampling_scratch {
public:
  explicit sampling_scratch(const kernels::kernel_set& k) : kernels(&k), ranked(k) {}

  const kernels::kernel_set* kernels;
  ranking ranked;
  std::vector<float> logits;         ///< changed by bias and penalties, of what a mask allows
  std::vector<std::uint32_t> counts; ///< of a mask's tokens
  std::vector<float> terms;          ///< of logprobs_of()
};

class sampler {
public:
  /// @pre check_options(options)
  explicit sampler(sampling_options options);

  [[nodiscard]] const sampling_options& options() const noexcept { return options_; }

  /// The token with this index among those generated for a request, of those that `mask` allows;
  /// null: all. If every allowed logit is -infinity, the allowed token with the lowest id.
  /// @pre logits are not empty; the mask allows a token below logits.size()
  [[nodiscard]] std::uint32_t choose(std::span<const float> logits, std::uint64_t index,
                                     sampling_scratch& scratch,
                                     const grammar::token_mask* mask = nullptr) const;

  /// A token was generated: penalties count it from now on.
  void add(std::uint32_t token);

  friend bool operator==(const sampler&, const sampler&) = default;

private:
  /// Changes logits by bias and penalties; `place_of` tells where a token's logit stands, or null.
  template <class PlaceOf>
  void change(PlaceOf&& place_of) const;
  [[nodiscard]] bool changes_logits() const noexcept;
  [[nodiscard]] std::uint32_t choose_among(std::span<const float> logits, std::uint64_t index,
                                           sampling_scratch& scratch) const;
  [[nodiscard]] bool has_penalties() const noexcept;

  sampling_options options_;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> seen_; // token and count, by token
};

/// Index of the largest logit, the lowest on ties. @pre not empty
[[nodiscard]] std::uint32_t argmax(std::span<const float> logits) noexcept;

} // namespace larql::generate
