// index.json: what the model is. Parsed, checked and written here.
//
// Errors    Every field that is missing, of the wrong type or out of range is an error that names
//           the file, the field and the value. Unknown fields are kept out, as the format says.
// Source    docs/vindex-format.md, "index.json".

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/quant/activation_function.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace larql::vindex {

/// How the weights were made: the reference's encoding, or each tensor as its source had it (ours).
enum class quant_kind { q4k, lossless };

/// The numbers of a Gemma 4 mixture-of-experts text model.
struct model_config {
  std::string model;
  std::string family; ///< "gemma4"
  quant_kind quant = quant_kind::q4k;

  std::uint32_t layers = 0;
  std::uint32_t hidden = 0;
  std::uint32_t dense_width = 0; ///< inner width of the dense feed-forward block
  std::uint32_t vocab = 0;
  float embed_scale = 1;

  std::uint32_t q_heads = 0;
  std::uint32_t kv_heads = 0;        ///< sliding layers
  std::uint32_t global_kv_heads = 0; ///< full layers
  std::uint32_t head_dim = 0;        ///< sliding layers
  std::uint32_t global_head_dim = 0; ///< full layers
  std::uint32_t window = 0;          ///< keys visible in a sliding layer, the row's own included
  std::vector<bool> sliding;         ///< per layer
  std::uint32_t trained_context = 0; ///< tokens the model was trained for; 0: unknown
  bool k_eq_v = false;               ///< full layers have no V projection of their own

  double rope_base = 1e6;       ///< full layers
  double rope_local_base = 1e4; ///< sliding layers
  double partial_rotary = 0.25; ///< share of a full layer's head that rotates
  float softcap = 0;            ///< of the logits; 0: none
  float rms_eps = 1e-6f;

  std::uint32_t experts = 0;
  std::uint32_t top_k = 0;
  std::uint32_t expert_width = 0;

  /// Of the experts and of the dense feed-forward block.
  quant::activation_function activation = quant::activation_function::gelu;

  // Per-layer geometry.
  [[nodiscard]] std::uint32_t head_dim_of(std::uint32_t l) const {
    return sliding[l] ? head_dim : global_head_dim;
  }
  [[nodiscard]] std::uint32_t kv_heads_of(std::uint32_t l) const {
    return sliding[l] ? kv_heads : global_kv_heads;
  }

  friend bool operator==(const model_config&, const model_config&) = default;
};

/// Reads and checks `dir`/index.json.
[[nodiscard]] result<model_config> read_index(const std::filesystem::path& dir);

/// The same from text; `name` stands for the file in messages.
[[nodiscard]] result<model_config> parse_index(std::string_view text, std::string_view name);

/// What the writer adds beside the model.
struct index_extras {
  std::string extract_level = "all";
  std::string source; ///< name of the file or directory it came from; empty: unknown
  std::string writer; ///< version of the program that writes
};

/// The text of an index.json for `config`.
[[nodiscard]] std::string write_index(const model_config& config, const index_extras& extras);

/// Checks that all numbers are in range and agree with each other. `where` names the source.
[[nodiscard]] result<void> check_config(const model_config& config, std::string_view where);

} // namespace larql::vindex
