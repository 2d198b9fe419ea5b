// A vindex directory opened for reading: every dense tensor (all but the experts) as a checked view
// of mapped memory.
//
// Opening reads the JSON files and maps the rest; no tensor page is touched but those of the one-
// float layer scalars. Shapes, lengths and the presence of every tensor are checked against
// index.json before anything is handed out.
//
// Owner     dense_weights owns the mappings; views live as long as it does.
// Threads   Immutable after opening.
// Errors    Name the file, the tensor's key, what was found and what was expected.
// Source    docs/vindex-format.md.

#pragma once

#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/mapped_parts.hpp"

#include <filesystem>
#include <span>
#include <vector>

namespace larql::vindex {

/// The tensors of one layer. Names follow facts of the model: docs/vindex-format.md, "Tensors".
struct layer_tensors {
  quant::matrix_view q, k, v, o; ///< v equals k (same bytes) where the layer has no V of its own
  quant::matrix_view gate, up, down;

  std::span<const float> input_norm;
  std::span<const float> post_attention_norm;
  std::span<const float> pre_dense_norm;   ///< pre_feedforward_layernorm
  std::span<const float> post_dense_norm;  ///< post_feedforward_layernorm_1
  std::span<const float> pre_expert_norm;  ///< pre_feedforward_layernorm_2
  std::span<const float> post_expert_norm; ///< post_feedforward_layernorm_2
  std::span<const float> post_ffn_norm;    ///< post_feedforward_layernorm
  std::span<const float> q_norm, k_norm;   ///< one head long, shared by all heads

  quant::matrix_view router;               ///< F32 [experts][hidden]
  std::span<const float> router_scale;     ///< [hidden]
  std::span<const float> per_expert_scale; ///< [experts]; ones where the model has none
  float layer_scalar = 1;
};

/// Everything the laptop needs.
class dense_weights {
public:
  [[nodiscard]] static result<dense_weights> open(const std::filesystem::path& dir,
                                                  const model_config& model);

  quant::matrix_view embeddings; ///< [vocab][hidden], unscaled
  quant::matrix_view head;       ///< [vocab][hidden]; the embeddings where tied
  std::span<const float> final_norm;
  std::vector<layer_tensors> layers;

  /// The real file that a view lies in, told by its first byte.
  /// @pre `view` is mapped: not layer_scalar, which is a copy, nor the ones in the place of
  /// per_expert_scale
  [[nodiscard]] const std::filesystem::path& file_of(const void* view) const;

private:
  std::vector<mapped_parts> maps_;
  std::vector<float> ones_;
};

} // namespace larql::vindex
