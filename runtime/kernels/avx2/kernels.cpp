// ref/kernels.cpp with AVX2, FMA and F16C. Same bits.

#include "runtime/kernels/avx2/dot.hpp"
#include "runtime/kernels/avx2/row_lanes.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

#if defined(__AVX2__)

namespace larql::kernels {

namespace {

using quant::encoding;

struct isa {
  template <encoding E, int Inputs>
  static void dot(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                  std::size_t out_stride) {
    avx2::dot<E, Inputs>(row, x, input, out, out_stride);
  }
};

// By rows for few inputs: memory is read in its order. By tiles of rows for more.
template <encoding E>
void multiply(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
              const activation_view& x, std::size_t input_begin, std::size_t input_end, float* out,
              std::size_t out_stride) noexcept {
  if (quant::block_traits<E>.weights > 1 && input_end - input_begin < least_tile_inputs)
    matmul_tiles<isa, E>(w, row_begin, row_end, x, input_begin, input_end, out, out_stride);
  else
    matmul_by_tiles<row_lanes_avx2, E>(w, row_begin, row_end, x, input_begin, input_end, out,
                                       out_stride);
}

struct products {
  template <encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (has_tiles(quant::block_traits<E>))
      return multiply<E>;
    else if constexpr (avx2::is_supported(quant::block_traits<E>))
      return matmul_tiles<isa, E>;
    else
      return matmul_of<kernels_ref, E>;
  }
};

} // namespace

constinit const kernel_set kernels_avx2 =
    make_table<simd16_avx2>(simd_level::avx2, matmul_table<products>());

} // namespace larql::kernels

#endif
