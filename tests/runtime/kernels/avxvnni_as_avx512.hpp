// The products of runtime/kernels/avxvnni in the encoding that AVX-512 has for the same
// instructions: what processors with AVX-512 VNNI but without AVX-VNNI can test.

#pragma once

#include "runtime/kernels/kernel_set.hpp"

namespace larql::kernels {

/// By encoding; null where this processor cannot run them.
[[nodiscard]] const std::array<kernel_set::matmul_fn, quant::encoding_count>*
avxvnni_products_as_avx512();

} // namespace larql::kernels
