// What a process computes with: the instruction set and the number of threads.

#pragma once

#include "runtime/kernels/kernel_set.hpp"

namespace larql::cli {

/// Kernels as LARQL_SIMD says.
[[nodiscard]] result<const kernels::kernel_set*> choose_kernels();
/// `asked`, or the number of cores if that is 0.
[[nodiscard]] unsigned choose_threads(unsigned asked);

} // namespace larql::cli
