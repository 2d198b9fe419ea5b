// A Gemma 4 mixture-of-experts model from a directory as Hugging Face ships it: config.json,
// tokenizer files, and safetensors in one file or in shards.
//
// Tensors of other parts (vision, audio) are listed as skipped; a tensor of the text model that has
// no place here is an error, because leaving it out would change the model.
//
// Errors    Name the file, the field or tensor, what was found and expected.
// Source    docs/vindex-format.md, "Importing safetensors".

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/hf_parts.hpp"

#include <filesystem>
#include <span>
#include <string_view>

namespace larql::import {

/// The names of the small files that a checkpoint is read from, if it has them.
[[nodiscard]] std::span<const std::string_view> small_files() noexcept;

[[nodiscard]] result<checkpoint> open_hf(const std::filesystem::path& dir);

} // namespace larql::import
