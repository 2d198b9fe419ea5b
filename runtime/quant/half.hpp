// IEEE half precision and bfloat16, to and from float, exactly as the hardware converts them.
//
// Numerics  Widening is exact. Narrowing rounds to nearest, ties to even; NaN stays a quiet NaN.

#pragma once

#include <bit>
#include <cstdint>

namespace larql::quant {

[[nodiscard]] constexpr float half_to_float(std::uint16_t h) noexcept {
  const auto sign = static_cast<std::uint32_t>(h & 0x8000u) << 16;
  const auto exponent = static_cast<std::uint32_t>(h >> 10) & 0x1fu;
  const auto fraction = static_cast<std::uint32_t>(h & 0x3ffu);
  if (exponent == 0) { // zero and subnormals: fraction * 2^-24, exact in float
    const auto magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) // infinity, or NaN made quiet
    return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13) |
                                (fraction != 0 ? 0x400000u : 0u));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

[[nodiscard]] constexpr std::uint16_t float_to_half(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const auto magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) // 65520 and above round to infinity
    return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) { // below 2^-14: subnormal, a multiple of 2^-24
    const auto scaled = std::bit_cast<float>(magnitude) + 0.5f; // rounds at 2^-24
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(scaled) & 0x7ffu));
  }
  const auto odd = (magnitude >> 13) & 1u;
  const auto rounded = magnitude - 0x38000000u + 0xfffu + odd;
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}

[[nodiscard]] constexpr float bf16_to_float(std::uint16_t b) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(b) << 16);
}

[[nodiscard]] constexpr std::uint16_t float_to_bf16(float x) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// 2^(e - 128), subnormals included: the scale of an MXFP4 block, whose codes are twice its
/// numbers. 255 is NaN.
[[nodiscard]] constexpr float exponent_to_float(std::uint8_t e) noexcept {
  return std::bit_cast<float>(e < 2 ? 0x200000u << e : e == 255 ? 0x7fc00000u : (e - 1u) << 23);
}

} // namespace larql::quant
