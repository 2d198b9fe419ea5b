// The number formats of weights: names, block sizes, and a view of a matrix in one of them.
//
// Shapes    A matrix has `rows` outputs and `cols` inputs, row-major. Quantised rows are a whole
//           number of blocks; `cols` counts padding (zero weights) that a format needed.
// Source    Byte layouts: docs/vindex-format.md. All but q6_k are byte-identical to ggml's.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace larql::quant {

/// Values are internal; files and messages use names or their own codes.
enum class encoding : std::uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q5_0,
  q5_1,
  iq4_nl,
  q4_k,
  q5_k,
  q6_k, ///< Elements in linear order, unlike ggml's (docs/vindex-format.md, "Block encodings").
};
inline constexpr std::size_t encoding_count = 11;

/// Weights per block and bytes per block; 1 weight for plain floats.
struct block_shape {
  std::uint32_t weights;
  std::uint32_t bytes;
};

[[nodiscard]] constexpr block_shape shape_of(encoding e) noexcept {
  switch (e) {
  case encoding::f32: return {1, 4};
  case encoding::f16: return {1, 2};
  case encoding::bf16: return {1, 2};
  case encoding::q8_0: return {32, 34};
  case encoding::q4_0: return {32, 18};
  case encoding::q5_0: return {32, 22};
  case encoding::q5_1: return {32, 24};
  case encoding::iq4_nl: return {32, 18};
  case encoding::q4_k: return {256, 144};
  case encoding::q5_k: return {256, 176};
  case encoding::q6_k: return {256, 210};
  }
  return {1, 0};
}

/// Name in manifests and messages: "Q4_K".
[[nodiscard]] std::string_view name_of(encoding e) noexcept;
[[nodiscard]] std::optional<encoding> encoding_from_name(std::string_view name) noexcept;

/// Bytes of one row. @pre `cols` is a multiple of the block's weights
[[nodiscard]] constexpr std::uint64_t row_bytes(encoding e, std::uint64_t cols) noexcept {
  return cols / shape_of(e).weights * shape_of(e).bytes;
}

/// `cols` rounded up to whole blocks.
[[nodiscard]] constexpr std::uint64_t padded_cols(encoding e, std::uint64_t cols) noexcept {
  const auto n = shape_of(e).weights;
  return (cols + n - 1) / n * n;
}

/// A weight matrix in memory that somebody else owns (usually a mapped file; any alignment).
struct matrix_view {
  encoding format = encoding::f32;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0; ///< Stored width, padding included.
  const std::byte* data = nullptr;

  [[nodiscard]] std::uint64_t stride_bytes() const noexcept { return row_bytes(format, cols); }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return stride_bytes() * rows; }
  [[nodiscard]] const std::byte* row(std::size_t i) const noexcept {
    return data + i * stride_bytes();
  }
};

/// How the input of a product with a matrix is represented (activations.hpp).
enum class activation_format : std::uint8_t {
  f32,    ///< As it is: for plain float weights.
  q8_32,  ///< 8 bit, one scale per 32: for Q4_0, Q5_0, Q5_1, Q8_0, IQ4_NL.
  q8_256, ///< 8 bit, one scale per 256: for Q4_K, Q5_K, Q6_K.
};

[[nodiscard]] constexpr activation_format activation_for(encoding e) noexcept {
  switch (shape_of(e).weights) {
  case 32: return activation_format::q8_32;
  case 256: return activation_format::q8_256;
  default: return activation_format::f32;
  }
}

} // namespace larql::quant
