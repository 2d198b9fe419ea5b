#include "runtime/kernels/kernel_set.hpp"

#include "runtime/kernels/kernel_table.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace larql::kernels {

namespace {

#if defined(__x86_64__)
// clang 14's __builtin_cpu_supports does not know the name "f16c".
bool has_f16c() noexcept {
  auto a = 0u, b = 0u, c = 0u, d = 0u;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

} // namespace

std::string_view name_of(simd_level level) noexcept {
  switch (level) {
  case simd_level::scalar: return "scalar";
  case simd_level::avx2: return "avx2";
  case simd_level::avx512: return "avx512";
  }
  return "unknown";
}

simd_level best_simd_level() noexcept {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const auto avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
  if (avx2 && avx512)
    return simd_level::avx512;
  if (avx2)
    return simd_level::avx2;
#endif
  return simd_level::scalar;
}

result<const kernel_set*> kernels_for(simd_level level) {
  if (level > best_simd_level())
    return fail(errc::unsupported, "SIMD level {}: this CPU supports at most {}", name_of(level),
                name_of(best_simd_level()));
  switch (level) {
#if defined(__x86_64__)
  case simd_level::avx512: return &kernels_avx512;
  case simd_level::avx2: return &kernels_avx2;
#endif
  default: return &kernels_ref;
  }
}

result<const kernel_set*> kernels_by_name(std::string_view wanted) {
  if (wanted.empty())
    return kernels_for(best_simd_level());
  for (const auto level : {simd_level::scalar, simd_level::avx2, simd_level::avx512})
    if (wanted == name_of(level))
      return kernels_for(level);
  return fail(errc::usage, "LARQL_SIMD is \"{}\", expected scalar, avx2 or avx512", wanted);
}

} // namespace larql::kernels
