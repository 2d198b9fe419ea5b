// Rotary position embedding: cosines and sines of the two kinds of layers.
//
// Shapes    A table holds [rows][pairs]; pair i rotates elements i and i + head_dim / 2.
// Numerics  Sliding: frequency base^(-2i / head_dim) for all pairs. Full ("proportional"): the same
//           formula over the whole head for the first partial * head_dim / 2 pairs, and no rotation
//           for the rest. Angles in double, cos and sin rounded to float once.
// Source    docs/numerics.md, "Positions".

#pragma once

#include "runtime/models/gemma4/pass_rows.hpp"
#include "runtime/vindex/index_json.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::gemma4 {

class rope_table {
public:
  /// Frequencies for sliding (`sliding`) or full layers of the model.
  rope_table(const vindex::model_config& model, bool sliding);

  [[nodiscard]] std::size_t pairs() const noexcept { return frequency_.size(); }

  /// Computes the rows for positions first, first + 1, ...
  void set_positions(std::uint32_t first, std::uint32_t rows);
  /// Computes a row for each of these.
  void set_positions(std::span<const pass_row> rows);

  [[nodiscard]] const float* cos(std::size_t row) const { return cos_.data() + row * pairs(); }
  [[nodiscard]] const float* sin(std::size_t row) const { return sin_.data() + row * pairs(); }

private:
  void resize(std::size_t rows);
  void set_row(std::size_t row, std::uint32_t position);

  std::vector<double> frequency_;
  std::vector<float> cos_;
  std::vector<float> sin_;
};

} // namespace larql::gemma4
