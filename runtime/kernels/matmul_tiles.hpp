// Walks rows × inputs in tiles. Isa provides `dot<E, Inputs>`, one row times one to eight inputs,
// and may provide `panel<E>`, Isa::panel_rows or Isa::most_panel_rows rows times at most
// Isa::panel_inputs inputs, which is used from Isa::least_panel_inputs inputs on. Shared by the
// SIMD versions.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/encoding.hpp"

namespace larql::kernels {

template <class Isa, quant::encoding E>
void matmul_tiles(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                  const activation_view& x, std::size_t input_begin, std::size_t input_end,
                  float* out, std::size_t out_stride) noexcept {
  constexpr auto shape = quant::shape_of(E);
  const auto stride = std::size_t{w.cols} / shape.weights * shape.bytes;
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  constexpr std::size_t panel_rows = Isa::template panel_rows<E>;
  constexpr std::size_t panel_inputs = Isa::template panel_inputs<E>;
  if constexpr (panel_rows != 0) {
    if (input_end - input_begin >= Isa::template least_panel_inputs<E>) {
      constexpr std::size_t most_rows = Isa::template most_panel_rows<E>;
      auto r = row_begin;
      for (auto rows = most_rows; r + panel_rows <= row_end; r += rows) {
        rows = r + most_rows <= row_end ? most_rows : panel_rows;
        for (auto i = input_begin; i < input_end; i += panel_inputs)
          Isa::template panel<E>(base + r * stride, stride, rows, x, i,
                                 input_end - i < panel_inputs ? input_end - i : panel_inputs,
                                 out + (i - input_begin) * out_stride + r, out_stride);
      }
      row_begin = r; // the last few rows go one by one
    }
  }
  auto a = input_begin;
  const auto rows = [&]<int Inputs>() {
    for (; a + Inputs <= input_end; a += Inputs)
      for (auto r = row_begin; r < row_end; ++r)
        Isa::template dot<E, Inputs>(base + r * stride, x, a,
                                     out + (a - input_begin) * out_stride + r, out_stride);
  };
  rows.template operator()<8>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

} // namespace larql::kernels
