#include "runtime/models/gemma4/traffic.hpp"

namespace larql::gemma4 {

namespace {

std::uint64_t bytes_of(const quant::matrix_view& w) {
  return w.rows * w.stride_bytes();
}

} // namespace

std::uint64_t dense_bytes_per_token(const vindex::dense_weights& weights) {
  auto sum = bytes_of(weights.head);
  for (const auto& t : weights.layers) {
    for (const auto* w : {&t.q, &t.k, &t.o, &t.router, &t.gate, &t.up, &t.down})
      sum += bytes_of(*w);
    if (t.v.data != t.k.data)
      sum += bytes_of(t.v);
  }
  return sum;
}

} // namespace larql::gemma4
