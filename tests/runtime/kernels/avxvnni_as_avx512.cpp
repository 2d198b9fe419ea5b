#include "tests/runtime/kernels/avxvnni_as_avx512.hpp"

#include "runtime/kernels/kernel_table.hpp"

#if defined(__x86_64__)
#include "runtime/kernels/avxvnni/row_lanes.hpp"
#include "runtime/kernels/matmul_tiles.hpp"
#endif

namespace larql::kernels {

#if defined(__x86_64__)
namespace {

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (has_tiles(quant::block_traits<E>))
      return matmul_by_tiles<row_lanes_avxvnni, E>;
    else
      return matmul_of<kernels_ref, E>;
  }
};

constinit const auto table = matmul_table<products>();

} // namespace
#endif

const std::array<kernel_set::matmul_fn, quant::encoding_count>* avxvnni_products_as_avx512() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl"))
    return &table;
#endif
  return nullptr;
}

} // namespace larql::kernels
