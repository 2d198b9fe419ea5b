// kernels_ref.cpp with AVX-512 F, BW, DQ, VL, VNNI and VBMI. Same bits.

#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/lanes_avx512.hpp"
#include "runtime/kernels/matmul_avx512.hpp"
#include "runtime/kernels/matmul_tiles.hpp"
#include "runtime/kernels/panel_avx512.hpp"

#if defined(__AVX512VNNI__)

namespace larql::kernels {

namespace {

struct isa {
  template <quant::encoding E>
  static constexpr std::size_t panel_rows = avx512::panel_rows<E>;
  template <quant::encoding E>
  static constexpr std::size_t panel_inputs = avx512::panel_inputs<E>;
  template <quant::encoding E>
  static void panel(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                    std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
    avx512::panel<E>(base, stride, x, input, inputs, out, out_stride);
  }
  template <quant::encoding E, int Inputs>
  static void dot(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                  std::size_t out_stride) {
    avx512::dot<E, Inputs>(row, x, input, out, out_stride);
  }
};

using quant::encoding;

} // namespace

constinit const kernel_set kernels_avx512 = make_table<lanes_avx512>(
    simd_level::avx512, {matmul_tiles<isa, encoding::f32>, matmul_tiles<isa, encoding::f16>,
                         matmul_tiles<isa, encoding::bf16>, matmul_tiles<isa, encoding::q8_0>,
                         matmul_tiles<isa, encoding::q4_0>, matmul_tiles<isa, encoding::q5_0>,
                         matmul_tiles<isa, encoding::q5_1>, matmul_tiles<isa, encoding::iq4_nl>,
                         matmul_tiles<isa, encoding::q4_k>, matmul_tiles<isa, encoding::q5_k>,
                         matmul_tiles<isa, encoding::q6_k>});

} // namespace larql::kernels

#endif
