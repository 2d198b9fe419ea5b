// ref/kernels.cpp with AVX-512 F, BW, DQ, VL, VNNI and VBMI. Same bits.

#include "runtime/kernels/avx512/products.hpp"
#include "runtime/kernels/avx512/simd16.hpp"
#include "runtime/kernels/kernel_table.hpp"

#if defined(__AVX512VNNI__)

namespace larql::kernels {

namespace {

using quant::encoding;

template <encoding E>
constexpr const avx512::product_table& table_of_part() {
  using avx512::product_part;
  switch (avx512::part_of(quant::block_traits<E>)) {
  case product_part::floats: return avx512::floats_products;
  case product_part::bytes_and_nibbles: return avx512::bytes_and_nibbles_products;
  case product_part::fifth_bit: return avx512::fifth_bit_products;
  case product_part::k_nibbles: return avx512::k_nibbles_products;
  case product_part::k_wide: break;
  }
  return avx512::k_wide_products;
}

struct products {
  template <encoding E>
  static void run(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                  const activation_view& x, std::size_t input_begin, std::size_t input_end,
                  float* out, std::size_t out_stride) noexcept {
    table_of_part<E>()[static_cast<std::size_t>(E)](w, row_begin, row_end, x, input_begin,
                                                    input_end, out, out_stride);
  }
  template <encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    return run<E>;
  }
};

} // namespace

constinit const kernel_set kernels_avx512 =
    make_table<simd16_avx512>(simd_level::avx512, matmul_table<products>());

} // namespace larql::kernels

#endif
