#include "runtime/models/gemma4/rope.hpp"

#include "runtime/base/portable_math.hpp"

#include <algorithm>

namespace larql::gemma4 {

rope_table::rope_table(const vindex::model_config& model, bool sliding) {
  const auto dim = sliding ? model.head_dim : model.global_head_dim;
  const auto base = sliding ? model.rope_local_base : model.rope_base;
  // The share may be a fraction like 8/392, which is below 8 when it is multiplied out again.
  const auto share = model.partial_rotary * dim / 2 + 1e-6;
  const auto pairs = sliding ? dim / 2 : std::min(dim / 2, static_cast<std::uint32_t>(share));
  for (auto i = 0u; i < pairs; ++i)
    frequency_.push_back(portable_pow(base, -2.0 * i / dim));
}

void rope_table::set_positions(std::uint32_t first, std::uint32_t rows) {
  resize(rows);
  for (auto r = 0u; r < rows; ++r)
    set_row(r, first + r);
}

void rope_table::set_positions(std::span<const pass_row> rows) {
  resize(rows.size());
  for (auto r = std::size_t{0}; r < rows.size(); ++r)
    set_row(r, rows[r].position);
}

void rope_table::resize(std::size_t rows) {
  cos_.resize(rows * pairs());
  sin_.resize(rows * pairs());
}

void rope_table::set_row(std::size_t row, std::uint32_t position) {
  for (auto i = std::size_t{0}; i < pairs(); ++i) {
    const auto angle = portable_sin_cos(static_cast<double>(position) * frequency_[i]);
    cos_[row * pairs() + i] = static_cast<float>(angle.cos);
    sin_[row * pairs() + i] = static_cast<float>(angle.sin);
  }
}

} // namespace larql::gemma4
