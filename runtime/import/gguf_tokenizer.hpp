// The tokenizer, chat template and sampling defaults of a GGUF file as the JSON files that a vindex
// carries.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/gguf.hpp"

namespace larql::import {

struct tokenizer_texts {
  std::vector<text_file> files;
  std::vector<std::string> notes; ///< what was taken otherwise than the file says, a line each
};

/// tokenizer.json, chat_template.jinja and generation_config.json as far as the metadata has them.
/// A file without a tokenizer (synthetic models) gives no tokenizer.json. More tokens than `rows`,
/// the model's embeddings, are an error.
[[nodiscard]] result<tokenizer_texts> tokenizer_files(const gguf_metadata& metadata,
                                                      std::uint64_t rows);

} // namespace larql::import
