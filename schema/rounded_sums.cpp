#include "schema/rounded_sums.hpp"

#include "runtime/quant/half.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace larql::schema {

namespace {

using quant::sum_format;

// A sum of fixed point holds less than 2^31; so do the numbers of a rounded row.
constexpr float limit = 0x1p31f;

float float_of(std::int64_t sum) {
  return static_cast<float>(sum) * 0x1p-32f;
}

std::int64_t sum_of(float x) {
  return std::llrint(static_cast<double>(x) * 0x1p32);
}

template <class T>
T read(const std::byte*& in) {
  T x;
  std::memcpy(&x, in, sizeof x);
  in += sizeof x;
  return x;
}

template <class T>
void write(T x, std::byte*& out) {
  std::memcpy(out, &x, sizeof x);
  out += sizeof x;
}

void put_blocks(std::span<const std::int64_t> row, std::byte* out) {
  auto numbers = std::array<float, numbers_per_scale>{};
  for (auto first = std::size_t{0}; first < row.size(); first += numbers_per_scale) {
    const auto n = std::min(numbers_per_scale, row.size() - first);
    auto most = 0.0f;
    for (auto i = std::size_t{0}; i < n; ++i) {
      numbers[i] = float_of(row[first + i]);
      most = std::max(most, std::abs(numbers[i]));
    }
    const auto scale = most / 127;
    write(scale, out);
    for (auto i = std::size_t{0}; i < n; ++i)
      write(static_cast<std::int8_t>(scale == 0 ? 0 : std::lrint(numbers[i] / scale)), out);
  }
}

// Calls take(index, number) for every number of a row.
template <class Take>
void for_each(std::span<const std::byte> bytes, std::uint8_t width, std::size_t hidden,
              Take&& take) {
  const auto* in = bytes.data();
  switch (static_cast<sum_format>(width)) {
  case sum_format::f16:
    for (auto i = std::size_t{0}; i < hidden; ++i)
      take(i, quant::half_to_float(read<std::uint16_t>(in)));
    return;
  case sum_format::bf16:
    for (auto i = std::size_t{0}; i < hidden; ++i)
      take(i, quant::bf16_to_float(read<std::uint16_t>(in)));
    return;
  default: break;
  }
  for (auto first = std::size_t{0}; first < hidden; first += numbers_per_scale) {
    const auto scale = read<float>(in);
    for (auto i = first; i < std::min(first + numbers_per_scale, hidden); ++i)
      take(i, scale * static_cast<float>(read<std::int8_t>(in)));
  }
}

} // namespace

bool put_rounded_row(std::span<const std::int64_t> row, sum_format format,
                     std::vector<std::byte>& widths, std::vector<std::byte>& bytes) {
  // What rounds to something larger than the format or the reader takes.
  const auto most = format == sum_format::f16 ? 65504.0f : limit / 2;
  if (std::any_of(row.begin(), row.end(), [&](auto x) { return std::abs(float_of(x)) > most; }))
    return false;
  const auto width = rounded_row(format);
  widths.push_back(std::byte{width});
  const auto at = bytes.size();
  bytes.resize(at + rounded_row_bytes(width, row.size()));
  auto* out = bytes.data() + at;
  if (format == sum_format::q8) {
    put_blocks(row, out);
    return true;
  }
  for (const auto x : row)
    write(format == sum_format::f16 ? quant::float_to_half(float_of(x))
                                    : quant::float_to_bf16(float_of(x)),
          out);
  return true;
}

result<void> check_rounded_row(std::span<const std::byte> bytes, std::uint8_t width,
                               std::size_t hidden) {
  auto wrong = 0.0f;
  for_each(bytes, width, hidden, [&](std::size_t, float x) {
    if (!(std::abs(x) < limit))
      wrong = x;
  });
  if (wrong != 0)
    return fail(errc::corrupt, "result: a rounded row holds {}, which is no sum", wrong);
  return {};
}

void add_rounded_row(std::span<const std::byte> bytes, std::uint8_t width,
                     std::span<std::int64_t> sums) {
  for_each(bytes, width, sums.size(), [&](std::size_t i, float x) {
    // Unsigned arithmetic: a hostile peer's numbers may wrap, which must not be undefined.
    sums[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sums[i]) +
                                        static_cast<std::uint64_t>(sum_of(x)));
  });
}

} // namespace larql::schema
