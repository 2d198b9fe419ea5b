// Calls for a running node that a test speaks to directly.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "tests/support/raw_peer.hpp"

#include <cstring>

namespace larql::test {

/// A correct call: every one of `rows` rows runs each of `experts`. Keeps the bytes that the call's
/// spans point to.
class call_example {
public:
  call_example(const schema::node_description& node, std::uint32_t layer, std::uint32_t rows,
               const std::vector<std::uint32_t>& experts) {
    const auto format = node.formats.at(layer - node.owned.layers.first);
    const auto block = kernels::scale_block(format);
    const auto stored = std::size_t{node.model.hidden + block - 1} / block * block;
    if (format == quant::activation_format::f32) {
      activations_.resize(rows * stored * sizeof(float));
    } else {
      activations_.resize(rows * stored, std::byte{1});
      for (auto i = rows * stored / block; i != 0; --i)
        append(scales_, 0.01f);
    }
    for (const auto e : experts)
      for (auto r = 0u; r < rows; ++r) {
        append(pick_rows_, r);
        append(pick_experts_, static_cast<std::uint16_t>(e));
        append(pick_weights_, 0.5f);
      }
    call.id = 1;
    call.layer = layer;
    call.rows = rows;
    call.format = format;
    call.activations = activations_;
    call.scales = scales_;
    call.pick_rows = pick_rows_;
    call.pick_experts = pick_experts_;
    call.pick_weights = pick_weights_;
  }
  /// For the first layer and expert that a node owns.
  call_example(const schema::node_description& node, std::uint32_t rows)
      : call_example(node, node.owned.layers.first, rows, {node.owned.experts.first}) {}
  call_example(const call_example&) = delete;

  schema::expert_call call;

private:
  using bytes = std::vector<std::byte>;
  template <class T>
  static void append(bytes& to, T x) {
    const auto at = to.size();
    to.resize(at + sizeof x);
    std::memcpy(to.data() + at, &x, sizeof x);
  }

  bytes activations_, scales_, pick_rows_, pick_experts_, pick_weights_;
};

} // namespace larql::test
