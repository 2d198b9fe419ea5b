// Walks rows × inputs in tiles. Shared by the SIMD versions.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/encoding.hpp"

namespace larql::kernels {

/// Isa provides `dot<E, Inputs>`, one row times one to eight inputs.
template <class Isa, quant::encoding E>
void matmul_tiles(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                  const activation_view& x, std::size_t input_begin, std::size_t input_end,
                  float* out, std::size_t out_stride) noexcept {
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  auto a = input_begin;
  const auto rows = [&]<int Inputs>() {
    for (; a + Inputs <= input_end; a += Inputs)
      for (auto r = row_begin; r < row_end; ++r)
        Isa::template dot<E, Inputs>(base + r * stride, x, a,
                                     out + (a - input_begin) * out_stride + (r - row_begin),
                                     out_stride);
  };
  rows.template operator()<8>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

/// Isa provides `tile<E>`, Isa::tile_rows or Isa::most_tile_rows rows times at most
/// Isa::tile_inputs inputs. Returns the first of the last rows, too few for a tile, which are
/// left out.
template <class Isa, quant::encoding E>
std::size_t whole_tiles(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                        const activation_view& x, std::size_t input_begin, std::size_t input_end,
                        float* out, std::size_t out_stride) noexcept {
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  constexpr std::size_t least = Isa::template tile_rows<E>, most = Isa::template most_tile_rows<E>;
  constexpr std::size_t inputs = Isa::template tile_inputs<E>;
  auto r = row_begin;
  for (auto rows = most; r + least <= row_end; r += rows) {
    rows = r + most <= row_end ? most : least;
    for (auto i = input_begin; i < input_end; i += inputs)
      Isa::template tile<E>(base + r * stride, stride, rows, x, i,
                            input_end - i < inputs ? input_end - i : inputs,
                            out + (i - input_begin) * out_stride + (r - row_begin), out_stride);
  }
  return r;
}

} // namespace larql::kernels
