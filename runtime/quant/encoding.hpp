// The number formats of weights: names, block sizes, and a view of a matrix in one of them.
//
// Shapes    A matrix has `rows` outputs and `cols` inputs, row-major. Quantised rows are a whole
//           number of blocks; `cols` counts padding (zero weights) that a format needed.
// Source    Byte layouts: block_traits.hpp.

#pragma once

#include "runtime/quant/block_traits.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace larql::quant {

/// Weights per block and bytes per block; 1 weight for plain floats.
struct block_shape {
  std::uint32_t weights;
  std::uint32_t bytes;
};

[[nodiscard]] constexpr block_shape shape_of(encoding e) noexcept {
  return {facts_of(e).weights, facts_of(e).bytes};
}

/// Name in manifests and messages: "Q4_K".
[[nodiscard]] constexpr std::string_view name_of(encoding e) noexcept {
  return facts_of(e).name;
}
[[nodiscard]] std::optional<encoding> encoding_from_name(std::string_view name) noexcept;

/// What a vindex stores such numbers as. Their places in a block may differ, nothing else does:
/// blocks have the same size and products the same bits.
[[nodiscard]] constexpr encoding vindex_encoding(encoding e) noexcept {
  return e == encoding::q6_k_ggml ? encoding::q6_k : e;
}

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
  float scale = 1; ///< Every product with the matrix is multiplied with it (kernels/linear.hpp).

  [[nodiscard]] std::uint64_t stride_bytes() const noexcept { return row_bytes(format, cols); }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return stride_bytes() * rows; }
  [[nodiscard]] const std::byte* row(std::size_t i) const noexcept {
    return data + i * stride_bytes();
  }
};

/// How the input of a product with a matrix is represented (activations.hpp).
enum class activation_format : std::uint8_t {
  f32,    ///< As it is: for plain float weights.
  q8_32,  ///< 8 bit, one scale per 32: for blocks of 32 weights.
  q8_256, ///< 8 bit, one scale per 256: for blocks of 256 weights.
};

[[nodiscard]] constexpr activation_format activation_for(encoding e) noexcept {
  switch (shape_of(e).weights) {
  case 32: return activation_format::q8_32;
  case 256: return activation_format::q8_256;
  default: return activation_format::f32;
  }
}

} // namespace larql::quant
