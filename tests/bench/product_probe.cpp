#include "tests/bench/product_probe.hpp"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace larql {

#if defined(__x86_64__)
namespace {

constexpr int sums = 10; // independent ones: more than latency times instructions per cycle
constexpr int rounds = 1 << 18;

// The best of some runs of `work`, which does `rounds` times `sums` instructions of `products`.
template <class F>
double best_rate(double products, const F& work) {
  auto best = 1e9;
  for (auto i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const auto spent = std::chrono::steady_clock::now() - begin;
    best = std::min(best, std::chrono::duration<double>(spent).count());
  }
  return products * sums * rounds / best;
}

// Each loop hides its operands from the compiler, which would else multiply once only.
#define LARQL_PROBE(target_names, ints, zero, statement)                                           \
  __attribute__((target(target_names))) void run() {                                               \
    ints sum[sums], code = zero(), input = zero();                                                 \
    for (auto& s : sum)                                                                            \
      s = zero();                                                                                  \
    for (auto r = 0; r < rounds; ++r) {                                                            \
      _Pragma("GCC unroll 16") for (auto& s : sum) {                                               \
        asm volatile("" : "+x"(code), "+x"(input), "+x"(s));                                       \
        statement;                                                                                 \
      }                                                                                            \
    }                                                                                              \
    for (auto& s : sum)                                                                            \
      asm volatile("" : "+x"(s));                                                                  \
  }

namespace pairs_to_32_bits {
LARQL_PROBE("avx2", __m256i, _mm256_setzero_si256,
            s = _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(code, input), input)))
}
namespace pairs_in_16_bits {
LARQL_PROBE("avx2", __m256i, _mm256_setzero_si256,
            s = _mm256_add_epi16(s, _mm256_maddubs_epi16(code, input)))
}
namespace fours_256 {
LARQL_PROBE("avx2,avxvnni", __m256i, _mm256_setzero_si256, s = _mm256_dpbusd_epi32(s, code, input))
}
namespace fours_512 {
LARQL_PROBE("avx512f,avx512vnni", __m512i, _mm512_setzero_si512,
            s = _mm512_dpbusd_epi32(s, code, input))
}
#undef LARQL_PROBE

} // namespace
#endif

std::vector<product_probe> product_probes() {
  auto out = std::vector<product_probe>{};
#if defined(__x86_64__)
  using kernels::simd_level;
  for (const auto& probe : {
           product_probe{simd_level::avx2, "maddubs, madd, add",
                         [] { return best_rate(32, pairs_to_32_bits::run); }},
           product_probe{simd_level::avx2, "maddubs, add in 16 bits",
                         [] { return best_rate(32, pairs_in_16_bits::run); }},
           product_probe{simd_level::avxvnni, "vpdpbusd of 256 bits",
                         [] { return best_rate(32, fours_256::run); }},
           product_probe{simd_level::avx512, "vpdpbusd of 512 bits",
                         [] { return best_rate(64, fours_512::run); }},
       })
    if (kernels::kernels_for(probe.level))
      out.push_back(probe);
#endif
  return out;
}

} // namespace larql
