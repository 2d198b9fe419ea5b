#include "runtime/quant/quantize.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/half.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace larql::quant {

namespace {

// Four numbers at once, on every processor: the searches below spend all of their time in loops
// that the compiler does not vectorise by itself, because their order of additions counts.
using float4 = float __attribute__((vector_size(16)));

float4 load4(const float* p) noexcept {
  float4 x;
  std::memcpy(&x, p, sizeof x);
  return x;
}
void store4(float* p, float4 x) noexcept {
  std::memcpy(p, &x, sizeof x);
}
float4 all4(float x) noexcept {
  return float4{x, x, x, x};
}

// To the nearest integer, ties to even, for |x| < 2^22.
float4 round4(float4 x) noexcept {
  return (x + all4(0x1.8p23f)) - all4(0x1.8p23f);
}
float4 clamp4(float4 x, float low, float high) noexcept {
  const auto raised = x < all4(low) ? all4(low) : x;
  return raised > all4(high) ? all4(high) : raised;
}

// A sum in eight lanes that are added in a fixed order: one chain of additions would wait for
// itself.
struct lane_sum {
  float4 even{}, odd{};

  [[nodiscard]] float total() const noexcept {
    const auto s = even + odd;
    return (s[0] + s[2]) + (s[1] + s[3]);
  }
};

void put_u16(std::byte* p, std::uint16_t x) noexcept {
  std::memcpy(p, &x, 2);
}

// The integer of [low, high] that times `unit` comes next to x. Small units are subnormal halves,
// which are rounded so coarsely that the quotient may lie far outside the range.
int nearest_integer(float x, float unit, int low, int high) noexcept {
  if (unit == 0)
    return 0;
  return static_cast<int>(
      std::nearbyint(std::clamp(x / unit, static_cast<float>(low), static_cast<float>(high))));
}

// ---- Q4_K: weight = d * scale * code - d_min * min ----------------------------------------------

constexpr std::size_t sub = 32;
constexpr int max_code = 15;
constexpr int max_scale = 63;

struct line {
  float scale = 0;
  float min = 0; // taken off; never negative
};

using plain_codes = std::array<float, sub>;

// The nearest codes of a line, and their squared error.
float assign(const float* x, float scale, float min, plain_codes& code) noexcept {
  const auto inverse = scale > 0 ? 1 / scale : 0.0f;
  auto error = lane_sum{};
  const auto step = [&](std::size_t i, float4& sum) {
    const auto v = load4(x + i);
    const auto q = round4(clamp4((v + all4(min)) * all4(inverse), 0, max_code));
    const auto miss = v - (all4(scale) * q - all4(min));
    store4(code.data() + i, q);
    sum += miss * miss;
  };
  for (auto i = std::size_t{0}; i < sub; i += 8) {
    step(i, error.even);
    step(i + 4, error.odd);
  }
  return error.total();
}

// The line through (code, x) with the least squared error, subject to min >= 0 and scale >= 0.
// `sx` is the sum of x.
line fit(const float* x, const plain_codes& code, float sx) noexcept {
  auto q_sum = lane_sum{}, qq_sum = lane_sum{}, qx_sum = lane_sum{};
  for (auto i = std::size_t{0}; i < sub; i += 8) {
    const auto c = load4(code.data() + i), d = load4(code.data() + i + 4);
    q_sum.even += c, q_sum.odd += d;
    qq_sum.even += c * c, qq_sum.odd += d * d;
    qx_sum.even += c * load4(x + i), qx_sum.odd += d * load4(x + i + 4);
  }
  const auto q = q_sum.total(), qq = qq_sum.total(), qx = qx_sum.total();
  const auto n = static_cast<float>(sub);
  const auto determinant = n * qq - q * q;
  auto out = line{};
  if (determinant > 0) {
    out.scale = (n * qx - q * sx) / determinant;
    out.min = (q * qx - qq * sx) / determinant;
  }
  if (determinant <= 0 || out.min < 0) {
    out.min = 0;
    out.scale = qq > 0 ? qx / qq : 0;
  }
  out.scale = std::max(out.scale, 0.0f);
  return out;
}

// The best line of one sub-block, before scale and min are rounded to six bits.
line search(const float* x) noexcept {
  const auto [low, high] = std::minmax_element(x, x + sub);
  const auto base = std::min(*low, 0.0f);
  const auto span = *high - base;
  if (!(span > 0))
    return {0, -base};
  auto x_sum = lane_sum{};
  for (auto i = std::size_t{0}; i < sub; i += 8)
    x_sum.even += load4(x + i), x_sum.odd += load4(x + i + 4);
  const auto sx = x_sum.total();
  auto code = plain_codes{};
  auto best = line{span / max_code, -base};
  auto best_error = assign(x, best.scale, best.min, code);
  for (auto step = -10; step <= 8; ++step) {
    auto candidate = line{span / (max_code + 0.1f * static_cast<float>(step)), -base};
    (void) assign(x, candidate.scale, candidate.min, code);
    for (auto refit = 0; refit < 2; ++refit) {
      candidate = fit(x, code, sx);
      const auto error = assign(x, candidate.scale, candidate.min, code);
      if (error < best_error)
        best_error = error, best = candidate;
    }
  }
  return best;
}

struct codes {
  plain_codes code{};
  float error = 0;
};

struct q4k_choice {
  float d = 0, d_min = 0;
  std::array<int, 8> scale{}, min{};
  std::array<codes, 8> sub_codes;
  [[nodiscard]] float error() const noexcept {
    auto sum = 0.0f;
    for (const auto& c : sub_codes)
      sum += c.error;
    return sum;
  }
};

// Rounds the lines to six-bit numbers times d and d_min, trying the neighbours of each.
q4k_choice round_lines(const float* x, const std::array<line, 8>& lines, float d,
                       float d_min) noexcept {
  auto out = q4k_choice{};
  out.d = half_to_float(float_to_half(d));
  out.d_min = half_to_float(float_to_half(d_min));
  for (auto j = std::size_t{0}; j < 8; ++j) {
    const auto scale = nearest_integer(lines[j].scale, out.d, 0, max_scale);
    const auto min = nearest_integer(lines[j].min, out.d_min, 0, max_scale);
    out.sub_codes[j].error = INFINITY;
    for (auto s = scale - 1; s <= scale + 1; ++s)
      for (auto m = min - 1; m <= min + 1; ++m) {
        if (s < 0 || s > max_scale || m < 0 || m > max_scale)
          continue;
        auto c = codes{};
        c.error = assign(x + j * sub, out.d * static_cast<float>(s),
                         out.d_min * static_cast<float>(m), c.code);
        if (c.error < out.sub_codes[j].error)
          out.sub_codes[j] = c, out.scale[j] = s, out.min[j] = m;
      }
  }
  return out;
}

// d and d_min that fit the chosen codes best.
std::pair<float, float> refit(const float* x, const q4k_choice& c) noexcept {
  auto aa = 0.0, ab = 0.0, bb = 0.0, ax = 0.0, bx = 0.0; // x ~ d * a - d_min * b
  for (auto j = std::size_t{0}; j < 8; ++j)
    for (auto i = std::size_t{0}; i < sub; ++i) {
      const auto a = static_cast<double>(c.scale[j]) * static_cast<double>(c.sub_codes[j].code[i]);
      const auto b = static_cast<double>(c.min[j]);
      const auto v = static_cast<double>(x[j * sub + i]);
      aa += a * a, ab += a * b, bb += b * b, ax += a * v, bx += b * v;
    }
  const auto determinant = aa * bb - ab * ab;
  if (determinant <= 0)
    return {aa > 0 ? static_cast<float>(ax / aa) : c.d, c.d_min};
  return {static_cast<float>((ax * bb - ab * bx) / determinant),
          static_cast<float>((ab * ax - aa * bx) / determinant)};
}

void write_q4_k(const q4k_choice& c, std::byte* out) noexcept {
  put_u16(out, float_to_half(c.d));
  put_u16(out + 2, float_to_half(c.d_min));
  auto* packed = out + 4;
  for (auto j = std::size_t{0}; j < 4; ++j) {
    const auto s = c.scale[j + 4], m = c.min[j + 4];
    packed[j] = static_cast<std::byte>(c.scale[j] | (s >> 4) << 6);
    packed[j + 4] = static_cast<std::byte>(c.min[j] | (m >> 4) << 6);
    packed[j + 8] = static_cast<std::byte>((s & 15) | (m & 15) << 4);
  }
  for (auto g = std::size_t{0}; g < 4; ++g)
    for (auto i = std::size_t{0}; i < sub; ++i)
      out[16 + g * sub + i] =
          static_cast<std::byte>(static_cast<unsigned>(c.sub_codes[2 * g].code[i]) |
                                 static_cast<unsigned>(c.sub_codes[2 * g + 1].code[i]) << 4);
}

void quantize_q4_k(const float* x, std::byte* out) noexcept {
  auto lines = std::array<line, 8>{};
  auto largest = line{};
  for (auto j = std::size_t{0}; j < 8; ++j) {
    lines[j] = search(x + j * sub);
    largest.scale = std::max(largest.scale, lines[j].scale);
    largest.min = std::max(largest.min, lines[j].min);
  }
  auto best = round_lines(x, lines, largest.scale / max_scale, largest.min / max_scale);
  auto current = best;
  for (auto round = 0; round < 3; ++round) {
    const auto [d, d_min] = refit(x, current);
    if (!(d > 0) || d_min < 0)
      break;
    current = round_lines(x, lines, d, d_min);
    if (current.error() < best.error())
      best = current;
  }
  write_q4_k(best, out);
}

// ---- Q6_K: weight = d * scale * (code - 32) -----------------------------------------------------

constexpr std::size_t group = 16;

struct group_codes {
  std::array<float, group> q{}; // -32..31
  float error = 0;
};

group_codes assign6(const float* x, float scale) noexcept {
  auto out = group_codes{};
  const auto inverse = scale != 0 ? 1 / scale : 0.0f;
  auto error = lane_sum{};
  const auto step = [&](std::size_t i, float4& sum) {
    const auto v = load4(x + i);
    const auto q = round4(clamp4(v * all4(inverse), -32, 31));
    const auto miss = v - all4(scale) * q;
    store4(out.q.data() + i, q);
    sum += miss * miss;
  };
  for (auto i = std::size_t{0}; i < group; i += 8) {
    step(i, error.even);
    step(i + 4, error.odd);
  }
  out.error = error.total();
  return out;
}

// The scale of either sign with the least squared error: the largest weight may take code -32.
float search6(const float* x) noexcept {
  auto top = 0.0f;
  for (auto i = std::size_t{0}; i < group; ++i)
    if (std::fabs(x[i]) > std::fabs(top))
      top = x[i];
  if (top == 0)
    return 0;
  auto best = top / -32;
  auto best_error = assign6(x, best).error;
  for (auto step = -9; step <= 9; ++step) {
    auto scale = top / (-32 - 0.1f * static_cast<float>(step));
    const auto codes = assign6(x, scale);
    auto qq_sum = lane_sum{}, qx_sum = lane_sum{};
    for (auto i = std::size_t{0}; i < group; i += 8) {
      const auto c = load4(codes.q.data() + i), d = load4(codes.q.data() + i + 4);
      qq_sum.even += c * c, qq_sum.odd += d * d;
      qx_sum.even += c * load4(x + i), qx_sum.odd += d * load4(x + i + 4);
    }
    const auto qq = qq_sum.total(), qx = qx_sum.total();
    if (qq > 0)
      scale = qx / qq;
    const auto error = assign6(x, scale).error;
    if (error < best_error)
      best_error = error, best = scale;
  }
  return best;
}

void quantize_q6_k(const float* x, std::byte* out) noexcept {
  auto wanted = std::array<float, 16>{};
  auto top = 0.0f;
  for (auto g = std::size_t{0}; g < 16; ++g) {
    wanted[g] = search6(x + g * group);
    if (std::fabs(wanted[g]) > std::fabs(top))
      top = wanted[g];
  }
  std::memset(out, 0, 210);
  const auto d = half_to_float(float_to_half(top / -128));
  put_u16(out + 208, float_to_half(d));
  for (auto g = std::size_t{0}; g < 16; ++g) {
    const auto near = nearest_integer(wanted[g], d, -128, 127);
    auto best = group_codes{};
    auto best_scale = 0;
    best.error = INFINITY;
    for (auto s = std::max(near - 1, -128); s <= std::min(near + 1, 127); ++s) {
      const auto c = assign6(x + g * group, d * static_cast<float>(s));
      if (c.error < best.error)
        best = c, best_scale = s;
    }
    out[192 + g] = static_cast<std::byte>(best_scale);
    for (auto i = std::size_t{0}; i < group; ++i) {
      const auto at = g * group + i;
      const auto code = static_cast<unsigned>(static_cast<int>(best.q[i]) + 32);
      out[at / 2] |= static_cast<std::byte>((code & 15u) << (at % 2 * 4));
      out[128 + at / 4] |= static_cast<std::byte>((code >> 4u) << (at % 4 * 2));
    }
  }
}

} // namespace

void quantize_row_q4_k(std::span<const float> x, std::byte* out) noexcept {
  for (auto i = std::size_t{0}; i < x.size(); i += 256, out += 144)
    quantize_q4_k(x.data() + i, out);
}

void quantize_row_q6_k(std::span<const float> x, std::byte* out) noexcept {
  for (auto i = std::size_t{0}; i < x.size(); i += 256, out += 210)
    quantize_q6_k(x.data() + i, out);
}

void linear_from_ggml_q6_k(const std::byte* in, std::byte* out) noexcept {
  std::memset(out, 0, 192);
  for (auto i = std::size_t{0}; i < 256; ++i) {
    // ggml: two halves of 128; within a half, element r + 32 c shares bytes with its neighbours c.
    const auto half = i / 128, c = i % 128 / 32, r = i % 32;
    const auto low = byte_at(in, half * 64 + c % 2 * 32 + r) >> (c / 2 * 4) & 15u;
    const auto high = byte_at(in, 128 + half * 32 + r) >> (c * 2) & 3u;
    out[i / 2] |= static_cast<std::byte>(low << (i % 2 * 4));
    out[128 + i / 4] |= static_cast<std::byte>(high << (i % 4 * 2));
  }
  std::memcpy(out + 192, in + 192, 18); // scales and d stay: both use 16 consecutive elements
}

void to_vindex_encoding(encoding from, std::span<std::byte> blocks) noexcept {
  if (from != encoding::q6_k_ggml)
    return;
  constexpr auto bytes = block_traits<encoding::q6_k>.bytes;
  std::byte linear[bytes];
  for (auto at = std::size_t{0}; at < blocks.size(); at += bytes) {
    linear_from_ggml_q6_k(blocks.data() + at, linear);
    std::memcpy(blocks.data() + at, linear, bytes);
  }
}

} // namespace larql::quant
