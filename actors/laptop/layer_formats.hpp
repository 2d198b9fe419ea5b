// The format in which the rows of each layer are sent. Usually it is the format that the layer's
// weights are multiplied with, which the nodes that own them say; the supervisor admits only nodes
// that agree. Otherwise rows are sent as plain floats, and every node rounds them to the same bits.
//
// Threads   Any. Changes of the cluster are published as a new list.

#pragma once

#include "actors/core/cluster_view.hpp"
#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace larql::actors {

class layer_formats {
public:
  using list = std::vector<quant::activation_format>;

  /// With `always_f32` rows are never rounded here.
  layer_formats(std::uint32_t layers, bool always_f32)
      : always_f32_(always_f32),
        list_(std::make_shared<list>(layers, quant::activation_format::f32)) {}

  /// @pre layer < layers
  [[nodiscard]] quant::activation_format of(std::uint32_t layer) const {
    const auto lock = std::scoped_lock{mutex_};
    return (*list_)[layer];
  }

  /// The nodes of the cluster have changed to these.
  void set(const cluster_view& view);

private:
  bool always_f32_;
  mutable std::mutex mutex_;
  std::shared_ptr<const list> list_;
};

} // namespace larql::actors
