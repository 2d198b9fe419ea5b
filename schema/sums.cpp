#include "schema/sums.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace larql::schema {

namespace {

std::uint8_t width_of(std::span<const std::int64_t> row) {
  auto bits = std::uint64_t{0}; // x ^ (x >> 63) has the magnitude's bits for either sign
  for (const auto x : row)
    bits |= static_cast<std::uint64_t>(x ^ (x >> 63));
  const auto needed = static_cast<long>(std::bit_width(bits)) + 1; // and the sign
  return static_cast<std::uint8_t>(
      std::clamp<long>((needed + 7) / 8, min_sum_width, max_sum_width));
}

template <unsigned Width>
void pack_row(std::span<const std::int64_t> row, std::byte* out) {
  for (const auto x : row) {
    std::memcpy(out, &x, Width); // little-endian: the low bytes come first
    out += Width;
  }
}

template <unsigned Width>
void add_row(const std::byte* in, std::span<std::int64_t> sums) {
  constexpr auto spare = 64 - 8 * Width;
  const auto add = [](std::int64_t& sum, std::uint64_t x) {
    // Unsigned arithmetic: a hostile peer's numbers may wrap, which must not be undefined.
    const auto value = static_cast<std::int64_t>(x << spare) >> spare;
    sum = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) +
                                    static_cast<std::uint64_t>(value));
  };
  // Eight bytes at once, of which the shift drops those of the next number: a load of exactly Width
  // bytes would be put together through memory. The last few numbers have no eight bytes.
  const auto tail = std::min<std::size_t>(sums.size(), (8 + Width - 1) / Width - 1);
  auto x = std::uint64_t{0};
  for (auto& sum : sums.first(sums.size() - tail)) {
    std::memcpy(&x, in, 8);
    add(sum, x);
    in += Width;
  }
  for (auto& sum : sums.last(tail)) {
    x = 0;
    std::memcpy(&x, in, Width);
    add(sum, x);
    in += Width;
  }
}

} // namespace

void pack_sums(std::span<const std::int64_t> sums, std::size_t hidden, quant::sum_format format,
               std::vector<std::byte>& widths, std::vector<std::byte>& bytes) {
  for (; !sums.empty(); sums = sums.subspan(hidden)) {
    const auto row = sums.first(hidden);
    if (format != quant::sum_format::exact && put_rounded_row(row, format, widths, bytes))
      continue;
    const auto width = width_of(row);
    widths.push_back(std::byte{width});
    const auto at = bytes.size();
    bytes.resize(at + hidden * width);
    auto* out = bytes.data() + at;
    switch (width) {
    case 4: pack_row<4>(row, out); break;
    case 5: pack_row<5>(row, out); break;
    case 6: pack_row<6>(row, out); break;
    case 7: pack_row<7>(row, out); break;
    default: pack_row<8>(row, out); break;
    }
  }
}

void round_sums(std::span<std::int64_t> sums, std::size_t hidden, quant::sum_format format) {
  if (format == quant::sum_format::exact)
    return;
  auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
  for (; !sums.empty(); sums = sums.subspan(hidden)) {
    const auto row = sums.first(hidden);
    bytes.clear();
    if (!put_rounded_row(row, format, widths, bytes))
      continue;
    std::fill(row.begin(), row.end(), 0);
    add_rounded_row(bytes, rounded_row(format), row);
  }
}

void put_complete_row(std::span<const float> row, std::vector<std::byte>& widths,
                      std::vector<std::byte>& bytes) {
  widths.push_back(std::byte{complete_row});
  const auto data = std::as_bytes(row);
  bytes.insert(bytes.end(), data.begin(), data.end());
}

result<void> read_complete_row(std::span<const std::byte> bytes, std::span<std::int64_t> sums) {
  for (auto i = std::size_t{0}; i < sums.size(); ++i) {
    auto x = 0.0f;
    std::memcpy(&x, bytes.data() + i * sizeof x, sizeof x);
    // A multiple of 2^-32 with the 24 bits of an f32: both products and both conversions are exact.
    const auto units = static_cast<double>(x) * 0x1p32;
    if (!(std::abs(units) < 0x1p63) || units != std::trunc(units))
      return fail(errc::corrupt, "result: a complete row holds {}, which is no sum", x);
    sums[i] = static_cast<std::int64_t>(units);
  }
  return {};
}

result<void> check_sums(std::span<const std::byte> widths, std::span<const std::byte> bytes,
                        std::size_t rows, std::size_t hidden, const allowed_rows& allowed) {
  if (widths.size() != rows)
    return fail(errc::corrupt, "result: widths has {} entries, expected {}", widths.size(), rows);
  auto expected = std::size_t{0};
  for (auto i = std::size_t{0}; i < rows; ++i) {
    const auto width = static_cast<std::uint8_t>(widths[i]);
    const auto may_be_complete = i < allowed.whole.size() && allowed.whole[i] != std::byte{0};
    if (width == complete_row && !may_be_complete)
      return fail(errc::corrupt, "result: row {} is complete, but other sums belong to it", i);
    if (is_rounded_row(width) && width != rounded_row(allowed.format))
      return fail(errc::corrupt, "result: row {} is rounded to {}, but the call asked for {}", i,
                  name_of(static_cast<quant::sum_format>(width)), name_of(allowed.format));
    if (width != complete_row && !is_rounded_row(width) &&
        (width < min_sum_width || width > max_sum_width))
      return fail(errc::corrupt, "result: widths holds {}, expected {} to {}", width, min_sum_width,
                  max_sum_width);
    expected += row_bytes(width, hidden);
  }
  if (bytes.size() != expected)
    return fail(errc::corrupt, "result: sums has {} bytes, expected {}", bytes.size(), expected);
  if (allowed.format == quant::sum_format::exact)
    return {};
  for (const auto w : widths) {
    const auto width = static_cast<std::uint8_t>(w);
    const auto size = row_bytes(width, hidden);
    if (is_rounded_row(width))
      LARQL_TRY_VOID(check_rounded_row(bytes.first(size), width, hidden));
    bytes = bytes.subspan(size);
  }
  return {};
}

void add_packed(std::span<const std::byte> bytes, std::uint8_t width,
                std::span<std::int64_t> sums) {
  if (is_rounded_row(width))
    return add_rounded_row(bytes, width, sums);
  switch (width) {
  case 4: return add_row<4>(bytes.data(), sums);
  case 5: return add_row<5>(bytes.data(), sums);
  case 6: return add_row<6>(bytes.data(), sums);
  case 7: return add_row<7>(bytes.data(), sums);
  default: return add_row<8>(bytes.data(), sums);
  }
}

} // namespace larql::schema
