#include "tests/support/random_weights.hpp"

#include "runtime/quant/half.hpp"

#include <cmath>
#include <cstring>

namespace larql::test {

using quant::encoding;

std::uint64_t random_source::bits() { // splitmix64
  auto z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

float random_source::uniform(float low, float high) {
  return low + (high - low) * static_cast<float>(bits() >> 40) * 0x1p-24f;
}

float random_source::normal() {
  auto sum = 0.0f;
  for (auto i = 0; i < 12; ++i)
    sum += uniform(-0.5f, 0.5f);
  return sum;
}

std::vector<float> random_floats(random_source& random, std::size_t n, float deviation) {
  auto out = std::vector<float>(n);
  for (auto& x : out)
    x = random.normal() * deviation;
  return out;
}

namespace {

void put_u16(std::byte* p, std::uint16_t x) {
  std::memcpy(p, &x, 2);
}
void put_half(std::byte* p, float x) {
  put_u16(p, quant::float_to_half(x));
}

// Overwrites the scale fields of a block of random bytes with sane numbers.
void fix_scales(random_source& random, encoding e, std::byte* p, float deviation) {
  const auto d = deviation * random.uniform(0.5f, 1.5f);
  switch (e) {
  case encoding::f32: {
    const auto x = random.normal() * deviation;
    std::memcpy(p, &x, 4);
    break;
  }
  case encoding::f16: put_half(p, random.normal() * deviation); break;
  case encoding::bf16: put_u16(p, quant::float_to_bf16(random.normal() * deviation)); break;
  case encoding::q8_0:
  case encoding::iq4_nl: put_half(p, d / 70); break;
  case encoding::q4_0: put_half(p, d / 5); break;
  case encoding::q5_0: put_half(p, -d / 9); break;
  case encoding::q5_1:
    put_half(p, d / 9);
    put_half(p + 2, -d * 1.7f);
    break;
  case encoding::q4_k:
    put_half(p, d / 150);
    put_half(p + 2, d / 20);
    break;
  case encoding::q5_k:
    put_half(p, d / 300);
    put_half(p + 2, d / 20);
    break;
  case encoding::q6_k: put_half(p + 208, d / 1300); break;
  default: {
    // The codes reach about d to both sides of the offset, or of the middle, which the minimum
    // takes to 0. A group's scale and minimum are taken for 16.
    const auto& facts = quant::facts_of(e);
    const auto reach =
        static_cast<float>(facts.has_min ? facts.max_code : facts.max_code - facts.offset) /
        (facts.has_min ? 2.0f : 1.0f);
    const auto scale = facts.weights == 256 ? 16.0f : 1.0f;
    if (facts.d_is == quant::d_kind::exponent)
      p[facts.d_at] = static_cast<std::byte>(128 + std::ilogb(d / reach));
    else
      put_half(p + facts.d_at, d / reach / scale / facts.d_factor);
    if (facts.has_min)
      put_half(p + facts.min_at, facts.weights == 256 ? d / scale : -d);
    break;
  }
  }
}

} // namespace

std::vector<std::byte> random_matrix(random_source& random, encoding e, std::size_t rows,
                                     std::size_t cols, float deviation) {
  auto out = std::vector<std::byte>(rows * quant::row_bytes(e, cols));
  for (auto& b : out)
    b = static_cast<std::byte>(random.bits());
  for (auto at = std::size_t{0}; at < out.size(); at += quant::shape_of(e).bytes)
    fix_scales(random, e, out.data() + at, deviation);
  return out;
}

} // namespace larql::test
