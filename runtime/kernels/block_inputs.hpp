// Inputs that were rounded to 8 bits, as the tiles of rows of all instruction sets read them.

#pragma once

#include <cstddef>
#include <cstdint>

namespace larql::kernels {

/// Where one block of some inputs stands.
struct block_inputs {
  const std::int8_t* q; // of the first input, as all below
  std::size_t cols;     // from one input's codes to the next's
  const std::int16_t* sums;
  std::size_t sum_stride;
  const float* scale;
  std::size_t scale_stride;
};

} // namespace larql::kernels
