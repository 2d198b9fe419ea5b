// The drafter that a vindex may have beside its model: a small network that guesses the next tokens
// from the model's own keys, values and final hidden rows (models/gemma4/mtp_network.hpp).
//
// It is a part of its own: drafter.json, which says what it is and which model it fits, and its
// matrices and vectors in one file with a manifest. A vindex without drafter.json has none. No
// result depends on it, so it is not part of the fingerprint.
//
// Owner     drafter_weights owns the mapping; views live as long as it does.
// Threads   Immutable after opening.
// Errors    Name the file, the field or tensor, what was found and expected.
// Source    docs/vindex-format.md, "The drafter".

#pragma once

#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/mapped_parts.hpp"
#include "runtime/vindex/vindex.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

/// The numbers of a model that a drafter was trained for.
struct drafter_target {
  std::uint32_t hidden = 0;
  std::uint32_t vocab = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t global_head_dim = 0;
  std::uint32_t window = 0;
  double rope_base = 1e6;
  double rope_local_base = 1e4;
  double partial_rotary = 0.25;

  friend bool operator==(const drafter_target&, const drafter_target&) = default;
};

struct drafter_config {
  std::uint32_t hidden = 0;
  std::uint32_t dense_width = 0;
  std::uint32_t q_heads = 0;
  std::vector<bool> sliding; ///< per layer: it reads the last sliding layer of the model, or the
                             ///< last full one
  float rms_eps = 1e-6f;
  drafter_target target;
  std::string source; ///< name of the file or directory it came from; empty: unknown

  [[nodiscard]] std::uint32_t layers() const noexcept {
    return static_cast<std::uint32_t>(sliding.size());
  }
  [[nodiscard]] std::uint32_t head_dim_of(std::uint32_t l) const {
    return sliding[l] ? target.head_dim : target.global_head_dim;
  }

  friend bool operator==(const drafter_config&, const drafter_config&) = default;
};

/// The one kind of drafter there is, by the name of its architecture.
inline constexpr std::string_view drafter_kind = "gemma4-assistant";

/// A tensor that a drafter has, by key: "layers.0.self_attn.q_proj.weight".
struct drafter_tensor {
  std::string key;
  std::uint32_t rows = 1; ///< of a vector: 1
  std::uint32_t cols = 0;
  bool is_vector = false;
  bool is_optional = false;
};
/// All of them, in the order of their bytes: vectors, then matrices.
[[nodiscard]] std::vector<drafter_tensor> drafter_tensors(const drafter_config& c);

/// Checks that all numbers are in range and that the drafter fits the model. `where` names it.
[[nodiscard]] result<void> check_drafter(const drafter_config& c, const model_config& model,
                                         std::string_view where);

/// What `dir` says of its drafter; nothing if it has none.
[[nodiscard]] result<std::optional<drafter_config>> read_drafter(const std::filesystem::path& dir,
                                                                 const model_config& model);
/// The same from text; `name` stands for the file in messages.
[[nodiscard]] result<drafter_config> parse_drafter(std::string_view text, std::string_view name,
                                                   const model_config& model);
/// The text of a drafter.json.
[[nodiscard]] std::string write_drafter(const drafter_config& c, std::string_view writer);

class drafter_weights {
public:
  /// Maps the tensors of a drafter that read_drafter() has found there.
  [[nodiscard]] static result<drafter_weights> open(const std::filesystem::path& dir,
                                                    const drafter_config& c);

  quant::matrix_view pre_projection;  ///< [hidden][2 * the model's hidden]
  quant::matrix_view post_projection; ///< [the model's hidden][hidden]
  quant::matrix_view head;            ///< [vocab][hidden]: the drafter's own embeddings
  std::span<const float> final_norm;
  /// Of each layer q, o, gate, up, down, q_norm, layer_scalar, and the four norms of a dense layer:
  /// input_norm, post_attention_norm, pre_dense_norm, post_ffn_norm.
  std::vector<layer_tensors> layers;

private:
  mapped_parts map_;
};

} // namespace larql::vindex
