// Where the products of each encoding are compiled: a table per part, and which part an encoding is
// in.

#pragma once

#include "runtime/kernels/kernel_set.hpp"
#include "runtime/quant/block_traits.hpp"

#include <array>

namespace larql::kernels::avx512 {

using product_table = std::array<kernel_set::matmul_fn, quant::encoding_count>;

enum class product_part : std::uint8_t { floats, bytes_and_nibbles, fifth_bit, k_nibbles, k_wide };

[[nodiscard]] constexpr product_part part_of(const quant::block_facts& f) noexcept {
  using enum quant::code_layout;
  switch (f.codes) {
  case plain_f32:
  case plain_f16:
  case plain_bf16: return product_part::floats;
  case signed_bytes:
  case nibbles:
  case nibbles_iq4_nl:
  case nibbles_mxfp4: return product_part::bytes_and_nibbles;
  case nibbles_fifth: return product_part::fifth_bit;
  case k_nibbles: return product_part::k_nibbles;
  case k_nibbles_fifth:
  case linear_six:
  case ggml_six:
  case k_pairs:
  case k_pairs_third:
  case nibbles_iq4_xs:
  case lattice_2xxs:
  case lattice_2xs:
  case lattice_2s:
  case lattice_3xxs:
  case lattice_3s: break;
  }
  return product_part::k_wide;
}

/// The products of a part's encodings; null for all others.
extern const product_table floats_products, bytes_and_nibbles_products, fifth_bit_products,
    k_nibbles_products, k_wide_products;

} // namespace larql::kernels::avx512
