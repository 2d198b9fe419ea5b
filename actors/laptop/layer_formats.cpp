#include "actors/laptop/layer_formats.hpp"

namespace larql::actors {

void layer_formats::set(const cluster_view& view) {
  if (always_f32_)
    return;
  auto fresh = std::make_shared<list>();
  const auto lock = std::scoped_lock{mutex_};
  *fresh = *list_; // of nodes that are away now: they come back with the same weights
  for (const auto& m : view.members) {
    const auto& node = *m.description;
    for (auto i = std::size_t{0}; i < node.formats.size(); ++i)
      (*fresh)[node.owned.layers.first + i] = node.formats[i];
  }
  list_ = std::move(fresh);
}

} // namespace larql::actors
