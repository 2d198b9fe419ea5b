// The text files of a Hugging Face checkpoint that travel with a model: tokenizer, chat template,
// sampling defaults.

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/import/checkpoint.hpp"

#include <filesystem>
#include <vector>

namespace larql::import {

/// The files that are there, as they are. A chat template inside chat_template.json or
/// tokenizer_config.json becomes chat_template.jinja; without a generation_config.json,
/// `stop_tokens` (config.json's eos_token_id; null: none) become one.
[[nodiscard]] result<std::vector<text_file>> read_hf_texts(const std::filesystem::path& dir,
                                                           const json& stop_tokens);

} // namespace larql::import
