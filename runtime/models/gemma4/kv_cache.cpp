#include "runtime/models/gemma4/kv_cache.hpp"

#include <algorithm>

namespace larql::gemma4 {

result<kv_cache> kv_cache::create(const vindex::model_config& model, kv_format format,
                                  std::uint32_t max_context, std::uint32_t max_chunk) {
  auto out = kv_cache{};
  out.format_ = format;
  out.max_context_ = max_context;
  out.max_chunk_ = std::min(max_chunk, max_context);
  for (auto l = 0u; l < model.layers; ++l) {
    auto store = layer_store{};
    const auto ring = std::uint64_t{model.window} + out.max_chunk_ - 1;
    store.slots = model.sliding[l]
                      ? static_cast<std::uint32_t>(std::min<std::uint64_t>(ring, max_context))
                      : max_context;
    store.row_bytes = model.head_dim_of(l) * (format == kv_format::f16 ? 2u : 4u);
    const auto bytes = store.row_bytes * store.slots * model.kv_heads_of(l);
    for (auto* part : {&store.keys, &store.values}) {
      auto memory = reserved_memory::reserve(bytes);
      if (!memory)
        return std::move(memory).error().in(fmt::format("KV cache of layer {}", l));
      *part = *std::move(memory);
      out.reserved_bytes_ += bytes;
    }
    out.layers_.push_back(std::move(store));
  }
  return out;
}

kv_cache::slot kv_cache::at(std::uint32_t layer, std::uint32_t head,
                            std::uint32_t position) noexcept {
  auto& s = layers_[layer];
  const auto offset = (std::size_t{head} * s.slots + position % s.slots) * s.row_bytes;
  return {s.keys.data() + offset, s.values.data() + offset};
}

kv_cache::runs kv_cache::read(std::uint32_t layer, std::uint32_t head, std::uint32_t first,
                              std::uint32_t last) const noexcept {
  const auto& s = layers_[layer];
  auto out = runs{};
  while (first <= last) {
    const auto in_ring = first % s.slots;
    const auto count = std::min(last - first + 1, s.slots - in_ring);
    const auto offset = (std::size_t{head} * s.slots + in_ring) * s.row_bytes;
    out.part[out.count++] = {first, count, s.keys.data() + offset, s.values.data() + offset};
    first += count;
  }
  return out;
}

} // namespace larql::gemma4
