// config.json of a Hugging Face checkpoint: the numbers of a Gemma 4 mixture-of-experts text model.
//
// Errors    Name the file, the field, what was found and expected; models of another family or with
//           parts that are not supported are refused by name.
// Source    docs/vindex-format.md, "Importing safetensors".

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/base/result.hpp"
#include "runtime/vindex/drafter.hpp"
#include "runtime/vindex/index_json.hpp"

#include <string>
#include <string_view>

namespace larql::import {

struct hf_config {
  vindex::model_config model; ///< not yet checked against tensors
  bool tied = true;           ///< the embeddings are the output head
  json stop_tokens;           ///< eos_token_id as it stands there; null if absent
};

/// Whether a config.json is that of a drafter.
[[nodiscard]] bool is_hf_drafter(const json& config);
/// The numbers of a drafter. Its vocabulary is told by the tensors.
[[nodiscard]] result<vindex::drafter_config> parse_hf_drafter_config(std::string_view text,
                                                                     std::string_view name);

/// `name` stands for the file in messages.
[[nodiscard]] result<hf_config> parse_hf_config(std::string_view text, std::string_view name);

} // namespace larql::import
