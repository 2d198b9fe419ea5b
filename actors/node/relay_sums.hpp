// What several nodes answered to the parts of a call, as one answer.
//
// Numerics  Integers are added, so the order does not matter. A row that is whole becomes the f32
//           that the laptop would have made of its integers (docs/numerics.md, "Sum over experts").
//           Rounding, where the laptop asks for it, comes last and once.
// Memory    One row of sums beside the answer.

#pragma once

#include "actors/core/buffer_pool.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "schema/messages.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::actors {

/// An answer, checked, and the rows of the whole call that it is about, ascending.
struct answered_part {
  shared_buffer buffer; ///< what the result's spans point into
  schema::expert_result result;
  std::vector<std::uint32_t> rows;
};

class part_adder {
public:
  explicit part_adder(const kernels::kernel_set& k) : k_(k) {}

  /// Appends the sums of the rows of `whole`, `hidden` numbers each, to `widths` and `bytes`: in
  /// the format that the call asks for; if that is exact, complete where it says that a row is
  /// whole.
  void add(std::span<const answered_part> parts, const schema::expert_call& whole,
           std::uint32_t hidden, std::vector<std::byte>& widths, std::vector<std::byte>& bytes);

private:
  const kernels::kernel_set& k_;
  std::vector<std::int64_t> sums_; // of one row
  std::vector<float> floats_;
};

} // namespace larql::actors
