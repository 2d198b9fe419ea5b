// The tokenizer, chat template and sampling defaults of a GGUF file as the JSON files that a vindex
// carries.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/gguf.hpp"

namespace larql::import {

/// tokenizer.json, chat_template.jinja and generation_config.json as far as the metadata has them.
/// A file without a tokenizer (synthetic models) gives no tokenizer.json.
[[nodiscard]] result<std::vector<text_file>> tokenizer_files(const gguf_metadata& metadata);

} // namespace larql::import
