// What an expert answers to sixteen fixed inputs, as a digest: two machines that hold the same
// numbers give the same digest, and a flipped bit of a weight changes it in most cases.
//
// Numerics  The digest covers the exact sums (docs/numerics.md, "Sum over experts") of the inputs
//           with weight 1, rounded by the layer's rule. So it depends on the stored numbers and on
//           nothing else: not on the file, the order of bits in it, the instruction set or threads.
//           Sixteen inputs, because each input is rounded to 8 bits on the way: a change of one
//           weight by little is lost in most single sums.
// Source    docs/vindex-format.md, "Known answers". The inputs are part of the format and never
//           change.

#pragma once

#include "runtime/experts/expert_compute.hpp"
#include "runtime/vindex/checksums.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::experts {

inline constexpr std::uint32_t known_answer_rows = 16;

/// The inputs, [known_answer_rows][hidden].
[[nodiscard]] std::vector<float> known_answer_inputs(std::uint32_t hidden);

/// The digest of the sums of an expert for the inputs, [known_answer_rows][hidden].
[[nodiscard]] vindex::answer_digest digest_of_answer(std::span<const std::int64_t> sums);

/// Computes the answers of the experts of a bank.
/// Threads: one caller at a time; uses the pool of its `compute`.
class known_answers {
public:
  known_answers(kernels::compute compute, const expert_bank& bank);

  /// The answer of each expert, or why it has none: its weights are damaged.
  /// @pre every expert is owned; ascending
  [[nodiscard]] std::vector<result<vindex::answer_digest>>
  of(std::uint32_t layer, std::span<const std::uint32_t> experts);

private:
  [[nodiscard]] result<void> compute_some(std::uint32_t layer,
                                          std::span<const std::uint32_t> experts);

  kernels::compute compute_;
  const expert_bank& bank_;
  expert_compute experts_;
  std::uint32_t hidden_;
  std::vector<float> inputs_;
  kernels::activation_rows rows_;
  std::vector<assignment> assignments_;
  std::vector<std::int64_t> sums_; // [experts at once][known_answer_rows][hidden]
};

} // namespace larql::experts
