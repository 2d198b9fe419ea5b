// What one core does at most: products of an 8-bit code and an 8-bit input per second, by the
// instructions that the kernels of an instruction set are made of, from registers.

#pragma once

#include "runtime/kernels/kernel_set.hpp"

#include <string_view>
#include <vector>

namespace larql {

struct product_probe {
  kernels::simd_level level;
  std::string_view name;
  double (*products_per_second)();
};

/// Those that this processor has. A level whose products can be added in several ways has several,
/// the fastest last.
[[nodiscard]] std::vector<product_probe> product_probes();

} // namespace larql
