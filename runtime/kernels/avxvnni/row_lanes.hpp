// avx2/row_lanes.hpp with the products of AVX-VNNI: four of them are added to 32 bits at once.

#pragma once

#include "runtime/kernels/avx2/row_lanes.hpp"

namespace larql::kernels {

namespace {

struct row_lanes_avxvnni : row_lanes_avx2 {
  static constexpr int dwords_in_sum(int) { return 8; }
  static constexpr int planes(int) { return 1; }
  static ints products(ints code, ints a) { return add_products(_mm256_setzero_si256(), code, a); }
  static ints add_products(ints sum, ints code, ints a) {
    return _mm256_dpbusd_epi32(sum, code, a);
  }
  static ints scale_of_byte(ints a, int b) {
    return choose_bytes(a, 0x80808000u | static_cast<unsigned>(b));
  }
  static ints scale_of(ints a) { return a; }
  static ints add_scaled(ints total, ints sum, ints scale) {
    return _mm256_add_epi32(total, _mm256_mullo_epi32(sum, scale));
  }
  static ints add_plane(ints total, ints sum, int) { return _mm256_add_epi32(total, sum); }
  static ints add_products16(ints total, ints a, ints b) {
    return _mm256_dpwssd_epi32(total, a, b);
  }
};

} // namespace

} // namespace larql::kernels
