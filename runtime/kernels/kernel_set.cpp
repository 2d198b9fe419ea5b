#include "runtime/kernels/kernel_set.hpp"

#include "runtime/kernels/kernel_table.hpp"

#include <fmt/format.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace larql::kernels {

namespace {

bool always() noexcept {
  return true;
}

#if defined(__x86_64__)
// clang 14's __builtin_cpu_supports does not know the name "f16c".
bool has_f16c() noexcept {
  auto a = 0u, b = 0u, c = 0u, d = 0u;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx2() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

// Bit 4 of EAX; clang 14's __builtin_cpu_supports does not know the name.
bool has_avxvnni() noexcept {
  auto a = 0u, b = 0u, c = 0u, d = 0u;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}

// The AVX-512 kernels call those for AVX2 where they have none of their own.
bool has_avx512() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
}
#endif

#if defined(__aarch64__)
// The dot product, and what else the compiler may use for ARM 8.2. NEON itself is in every one.
bool has_neon() noexcept {
  constexpr auto wanted = HWCAP_ASIMDDP | HWCAP_ASIMDRDM | HWCAP_ATOMICS | HWCAP_CRC32;
  return (::getauxval(AT_HWCAP) & wanted) == wanted;
}

bool has_i8mm() noexcept {
  return has_neon() && (::getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
}
#endif

// One set of kernels of this build, and whether this processor has the instructions it needs.
struct candidate {
  simd_level level;
  std::string_view name;
  const kernel_set* kernels;
  bool (*can_run)() noexcept;
};

// The best one first. Those of another architecture are not in the build.
constexpr candidate candidates[] = {
#if defined(__x86_64__)
    {simd_level::avx512, "avx512", &kernels_avx512, has_avx512},
    {simd_level::avxvnni, "avxvnni", &kernels_avxvnni, has_avxvnni},
    {simd_level::avx2, "avx2", &kernels_avx2, has_avx2},
#endif
#if defined(__aarch64__)
    {simd_level::i8mm, "i8mm", &kernels_i8mm, has_i8mm},
    {simd_level::neon, "neon", &kernels_neon, has_neon},
#endif
    {simd_level::scalar, "scalar", &kernels_ref, always},
};

} // namespace

std::string_view name_of(simd_level level) noexcept {
  for (const auto& c : candidates)
    if (c.level == level)
      return c.name;
  return "unknown";
}

std::vector<simd_level> simd_levels() {
  auto out = std::vector<simd_level>{};
  for (const auto& c : candidates)
    if (c.can_run())
      out.insert(out.begin(), c.level);
  return out;
}

simd_level best_simd_level() noexcept {
  for (const auto& c : candidates)
    if (c.can_run())
      return c.level;
  return simd_level::scalar;
}

result<const kernel_set*> kernels_for(simd_level level) {
  for (const auto& c : candidates)
    if (c.level == level && c.can_run())
      return c.kernels;
  return fail(errc::unsupported, "SIMD level {}: this processor or this build has no such kernels",
              name_of(level));
}

result<const kernel_set*> kernels_by_name(std::string_view wanted) {
  if (wanted.empty())
    return kernels_for(best_simd_level());
  for (const auto& c : candidates)
    if (wanted == c.name)
      return kernels_for(c.level);
  auto names = std::string{};
  for (const auto& c : candidates)
    names = names.empty() ? std::string{c.name} : fmt::format("{}, {}", c.name, names);
  return fail(errc::usage, "LARQL_SIMD is \"{}\", expected one of {}", wanted, names);
}

} // namespace larql::kernels
