// Chooses the next token from logits.
//
// Numerics  Temperature 0 takes the largest logit (lowest id on ties). Otherwise: divide by the
//           temperature, keep the top_k largest, then the shortest prefix whose probability reaches
//           top_p, then those with at least min_p times the largest probability; draw one. Equal
//           logits and an equal seed give equal tokens on every machine.
// Threads   One caller.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/kernels/kernel_set.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::generate {

struct sampling_options {
  float temperature = 0;   ///< 0: greedy
  std::uint32_t top_k = 0; ///< 0: all
  float top_p = 1;
  float min_p = 0;
  std::uint64_t seed = 0;
};

/// Refuses numbers that make no sense, naming the option.
[[nodiscard]] result<void> check_options(const sampling_options& options);

class sampler {
public:
  /// @pre check_options(options)
  sampler(const kernels::kernel_set& k, const sampling_options& options);

  [[nodiscard]] std::uint32_t choose(std::span<const float> logits);

private:
  struct candidate {
    float logit;
    std::uint32_t id;
  };

  void keep_top_k(std::span<const float> logits);
  [[nodiscard]] std::size_t kept_after_top_p_and_min_p() const;
  [[nodiscard]] double uniform();

  const kernels::kernel_set& kernels_;
  sampling_options options_;
  std::uint64_t state_;
  std::vector<candidate> candidates_;
  std::vector<float> probabilities_;
};

/// Index of the largest logit, the lowest on ties. @pre not empty
[[nodiscard]] std::uint32_t argmax(std::span<const float> logits) noexcept;

} // namespace larql::generate
