// ref/kernels.cpp with NEON and its matrix multiplication of bytes. Same bits.

#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/neon/simd16.hpp"
#include "runtime/kernels/neon/tile.hpp"

namespace larql::kernels {

namespace {

// A type of its own: the compiler may use this file's instructions in what it makes of the row
// operations, and the linker must not take those for the other set's.
struct simd16_i8mm : simd16_neon {};

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    constexpr auto& facts = quant::block_traits<E>;
    if constexpr (!neon::is_supported(facts))
      return matmul_of<kernels_ref, E>;
    else if constexpr (facts.weights == 1)
      return neon::dot_rows<E>;
    else
      return neon::tile_rows<E>;
  }
};

} // namespace

constinit const kernel_set kernels_i8mm =
    make_table<simd16_i8mm>(simd_level::i8mm, matmul_table<products>());

} // namespace larql::kernels
