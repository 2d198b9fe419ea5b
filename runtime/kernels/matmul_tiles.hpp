// Walks rows × inputs in tiles. Shared by the SIMD versions.

#pragma once

#include "runtime/kernels/tile_blocks.hpp"
#include "runtime/kernels/tile_floats.hpp"
#include "runtime/quant/encoding.hpp"

namespace larql::kernels {

/// Whether tiles can be made of such blocks: tile_transpose.hpp takes their codes, their scales and
/// their d apart. The others go row by row.
consteval bool has_tiles(const quant::block_facts& f) {
  using enum quant::code_layout;
  if (f.d_is != quant::d_kind::half || f.d_factor != 1)
    return false;
  switch (f.codes) {
  case plain_f32:
  case plain_f16:
  case plain_bf16:
  case signed_bytes:
  case nibbles:
  case nibbles_fifth:
  case nibbles_iq4_nl: return true;
  case k_nibbles:
  case k_nibbles_fifth: return f.scales == quant::scale_layout::six_bit;
  case linear_six:
  case ggml_six: return f.scales == quant::scale_layout::signed_bytes;
  case nibbles_mxfp4:
  case k_pairs:
  case k_pairs_third:
  case nibbles_iq4_xs:
  case lattice_2xxs:
  case lattice_2xs:
  case lattice_2s:
  case lattice_3xxs:
  case lattice_3s: break;
  }
  return false;
}

// Plain floats: V::float_rows rows and V::float_inputs inputs at a time.
template <class V, quant::encoding E>
static void float_tiles(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                        const activation_view& x, std::size_t input, std::size_t inputs, float* out,
                        std::size_t out_stride) {
  using L = typename V::lanes16;
  for (std::size_t r = 0; r < rows;) {
    const auto some = rows - r < V::float_rows ? std::size_t{1} : V::float_rows;
    for (std::size_t n = 0; n < inputs; n += V::float_inputs)
      with_inputs<V::float_inputs>(inputs - n, [&]<int Inputs>() {
        const auto tile =
            some == 1 ? tile_floats<L, E, 1, Inputs> : tile_floats<L, E, V::float_rows, Inputs>;
        tile(base + r * stride, stride, x, input + n, out + n * out_stride + r, out_stride);
      });
    r += some;
  }
}

/// With 256-bit registers, from so many inputs on tiles are faster than rows where the weights come
/// from memory: a tile reads sixteen rows at a time, which one core's memory takes badly.
inline constexpr std::size_t least_tile_inputs = 4;

/// kernel_set::matmul_fn, by tiles of rows whatever the number of inputs. V: tile_transpose.hpp.
template <class V, quant::encoding E>
void matmul_by_tiles(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                     const activation_view& x, std::size_t input_begin, std::size_t input_end,
                     float* out, std::size_t out_stride) noexcept {
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  constexpr auto weights = quant::block_traits<E>.weights;
  constexpr std::size_t most_rows = weights == 1 ? 64 : tile_rows<V>;
  constexpr std::size_t most_inputs = tile_inputs<E>;
  for (auto r = row_begin; r < row_end; r += most_rows)
    for (auto i = input_begin; i < input_end; i += most_inputs) {
      const auto rows = std::min(row_end - r, most_rows);
      const auto inputs = std::min(input_end - i, most_inputs);
      const auto run = [&](auto tile) {
        tile(base + r * stride, stride, rows, x, i, inputs,
             out + (i - input_begin) * out_stride + (r - row_begin), out_stride);
      };
      if constexpr (weights == 1)
        run(float_tiles<V, E>);
      else if constexpr (weights == 32)
        run(tile_32<V, E>);
      else
        run(tile_256<V, E>);
    }
}

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
