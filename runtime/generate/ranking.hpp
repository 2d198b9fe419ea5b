// Finds the token that a random number falls on, among 262,144 tokens, without sorting them.
//
// Tokens are ranked by falling logit, equal ones by rising id. Each has a mass, its share of the
// probability in fixed point, so that sums of masses are exact and do not depend on the order in
// which they are added. All questions are about the first tokens of the ranking: how much mass the
// first k tokens have together, and with which token the mass of the first tokens exceeds a number.
//
// Numerics  mass = floor(2^44 * e^((logit - top) / temperature)), by the kernels' exp.
// Memory    Scratch of 10 bytes per token of the vocabulary, and of 32 per token of the bucket that
//           is looked into; kept between uses.
// Threads   Plain state; one owner.

#pragma once

#include "runtime/kernels/kernel_set.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::generate {

class ranking {
public:
  explicit ranking(const kernels::kernel_set& k) : kernels_(&k) {}

  /// Ranks these logits, which must stay until the last question. @pre not empty; at least one is
  /// finite, none is NaN or +infinity; temperature > 0
  void set(std::span<const float> logits, float temperature);

  [[nodiscard]] std::uint64_t total_mass() const noexcept { return total_; }

  /// Mass of the first `k` tokens. @pre k > 0
  [[nodiscard]] std::uint64_t mass_of_first(std::size_t k);
  /// Mass of the tokens whose probability is at least `share` times the first one's.
  /// @pre 0 <= share <= 1
  [[nodiscard]] std::uint64_t mass_above(float share);

  /// The first token with which the mass of the ranking so far exceeds `mass`.
  struct place {
    std::uint32_t id = 0;
    std::uint64_t mass_through = 0; ///< of the tokens up to and with this one
  };
  /// @pre mass < total_mass()
  [[nodiscard]] place find(std::uint64_t mass);

private:
  static constexpr std::size_t buckets = 4096;
  static constexpr float last_bucket = buckets - 1;

  /// A token of the bucket that is examined.
  struct entry {
    float logit;
    std::uint32_t id;
    std::uint64_t mass;
  };

  /// What counts towards a place: tokens, or their masses.
  enum class measure : std::uint8_t { tokens, mass };
  /// What is known of a place in the ranking.
  struct located {
    std::uint64_t mass_before = 0;
    entry at{};
  };

  [[nodiscard]] std::uint16_t bucket_at(float scaled) const noexcept;
  void collect(std::size_t bucket);
  [[nodiscard]] bool is_of_equals(std::size_t bucket);
  [[nodiscard]] located locate_equal(std::size_t bucket, measure by, std::uint64_t target) const;
  /// The first token of `bucket` with which the count or mass of its tokens exceeds `target`.
  [[nodiscard]] located locate(std::size_t bucket, measure by, std::uint64_t target);
  [[nodiscard]] static std::uint64_t mass_of(float weight) noexcept;

  const kernels::kernel_set* kernels_;
  std::span<const float> logits_;
  std::uint64_t total_ = 0;
  float per_unit_ = 0;         // buckets in a unit of the scaled logit; 0: all logits are equal
  std::vector<float> scaled_;  // (logit - top) / temperature
  std::vector<float> weights_; // e^scaled
  std::vector<std::uint16_t> bucket_of_;
  std::array<std::uint32_t, buckets> counts_{};
  std::array<std::uint64_t, buckets> masses_{};
  std::vector<entry> entries_; // of bucket collected_, by id
  std::vector<entry> narrowed_;
  std::size_t collected_ = buckets;
  std::size_t compared_ = buckets; // the bucket that is_of_equals looked at last, and its answer
  bool equal_ = false;
};

} // namespace larql::generate
