// The float vectors of a vindex, by key: norms, routers, scales.
//
// Owner     vector_table owns the mapping that spans point into.
// Threads   Immutable after opening.
// Errors    Name weight_manifest.json, the key, what was found and expected.
// Source    docs/vindex-format.md, "Tensors".

#pragma once

#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/mapped_parts.hpp"

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace larql::vindex {

class vector_table {
public:
  [[nodiscard]] static result<vector_table> open(const storage& files);

  [[nodiscard]] bool has(const std::string& key) const { return entries_.contains(key); }
  /// The vector of this key with exactly `count` floats.
  [[nodiscard]] result<std::span<const float>> get(const std::string& key,
                                                   std::uint64_t count) const;
  /// Gives away the mapping, which must live as long as the spans.
  [[nodiscard]] mapped_parts release() && { return std::move(map_); }

private:
  using table = std::unordered_map<std::string, vector_entry>;

  vector_table(std::string where, mapped_parts map, table entries)
      : where_(std::move(where)), map_(std::move(map)), entries_(std::move(entries)) {}

  std::string where_;
  mapped_parts map_;
  table entries_;
};

/// A factor that a matrix of a layer may have beside it (ours): products with the matrix are
/// multiplied with it.
struct scale_name {
  std::string_view key; ///< after "layers.L."
  bool per_expert;      ///< a factor for each expert, else one
};
inline constexpr scale_name scale_names[] = {
    {"self_attn.q_proj.scale", false}, {"self_attn.k_proj.scale", false},
    {"self_attn.v_proj.scale", false}, {"self_attn.o_proj.scale", false},
    {"mlp.gate_proj.scale", false},    {"mlp.up_proj.scale", false},
    {"mlp.down_proj.scale", false},    {"experts.gate_proj.scale", true},
    {"experts.up_proj.scale", true},
};

/// The factors of each expert's gate and up in a layer; empty: none.
struct expert_scales {
  std::vector<float> gate;
  std::vector<float> up;
};
[[nodiscard]] result<expert_scales>
read_expert_scales(const vector_table& vectors, const model_config& model, std::uint32_t layer);

} // namespace larql::vindex
