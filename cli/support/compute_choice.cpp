#include "cli/support/compute_choice.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

namespace larql::cli {

result<const kernels::kernel_set*> choose_kernels() {
  const auto* wanted = std::getenv("LARQL_SIMD");
  return kernels::kernels_by_name(wanted != nullptr ? wanted : "");
}

unsigned choose_threads(unsigned asked) {
  return asked != 0 ? asked : std::max(1u, std::thread::hardware_concurrency());
}

} // namespace larql::cli
