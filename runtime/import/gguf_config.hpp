// The numbers of a Gemma 4 mixture-of-experts model as GGUF metadata has them.
//
// Keys are taken as llama.cpp takes them: a number may be one for all layers or a list with one for
// each, optional ones have llama.cpp's defaults. What a key says is followed; one that asks for
// something that is not computed here is an error.
//
// Errors    Name the file, the key, what was found and expected.
// Source    docs/vindex-format.md, "Importing GGUF".

#pragma once

#include "runtime/import/gguf.hpp"
#include "runtime/vindex/drafter.hpp"
#include "runtime/vindex/index_json.hpp"

namespace larql::import {

/// What metadata alone says: vocabulary, expert width and whether V is K are told by the tensors.
[[nodiscard]] result<vindex::model_config> read_gguf_config(const gguf_metadata& metadata);

/// Of a drafter, but for its vocabulary, which its tensors tell, and the rotating part.
[[nodiscard]] result<vindex::drafter_config>
read_gguf_drafter_config(const gguf_metadata& metadata);

/// "gemma4.block_count"
[[nodiscard]] std::string gguf_key(std::string_view name);

} // namespace larql::import
