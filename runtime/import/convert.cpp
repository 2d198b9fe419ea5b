#include "runtime/import/convert.hpp"

#include "runtime/base/check.hpp"
#include "runtime/quant/blocks.hpp"
#include "runtime/quant/quantize.hpp"

#include <algorithm>
#include <cstring>

namespace larql::import {

namespace {

using quant::encoding;

void read_row(const source_tensor& from, std::uint64_t row, std::span<float> out) {
  const auto bytes = quant::row_bytes(from.format, from.cols());
  quant::dequantize_row(from.format, from.data.data() + row * bytes, from.cols(), out.data());
}

void write_row(std::span<const float> x, encoding format, std::byte* out) {
  switch (format) {
  case encoding::f32: std::memcpy(out, x.data(), x.size_bytes()); break;
  case encoding::f16:
  case encoding::bf16:
    for (const auto v : x) {
      const auto h = format == encoding::f16 ? quant::float_to_half(v) : quant::float_to_bf16(v);
      std::memcpy(out, &h, 2);
      out += 2;
    }
    break;
  case encoding::q4_k: quant::quantize_row_q4_k(x, out); break;
  case encoding::q6_k: quant::quantize_row_q6_k(x, out); break;
  default: LARQL_CHECK(false && "convert_rows: can_convert is false");
  }
}

} // namespace

bool can_convert(const source_tensor& from, encoding format) noexcept {
  return format == from.format || format == quant::vindex_encoding(from.format) ||
         quant::shape_of(format).weights == 1 || format == encoding::q4_k ||
         format == encoding::q6_k;
}

bool convert_rows(const source_tensor& from, std::uint64_t begin, std::uint64_t end,
                  const target& to, std::span<std::byte> out, float scale) {
  const auto in_bytes = quant::row_bytes(from.format, from.cols());
  const auto out_bytes = to.row_bytes();
  LARQL_CHECK(out.size() == (end - begin) * out_bytes && to.cols >= from.cols());
  auto* p = out.data();
  const auto as_it_is = from.format == to.format;
  if ((as_it_is || quant::vindex_encoding(from.format) == to.format) && from.cols() == to.cols &&
      scale == 1) {
    std::memcpy(p, from.data.data() + begin * in_bytes, out.size());
    if (!as_it_is)
      quant::to_vindex_encoding(from.format, out);
    return true;
  }
  auto row = std::vector<float>(to.cols, 0.0f);
  for (auto r = begin; r < end; ++r, p += out_bytes) {
    if (!quant::row_is_finite(from.format, from.data.data() + r * in_bytes, from.cols()))
      return false;
    read_row(from, r, std::span{row}.first(from.cols()));
    if (scale != 1)
      for (auto& x : row)
        x *= scale;
    write_row(row, to.format, p);
    if (!quant::row_is_finite(to.format, p, to.cols))
      return false;
  }
  return true;
}

} // namespace larql::import
