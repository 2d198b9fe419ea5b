// A drafter as its publisher ships it: a GGUF file of architecture gemma4-assistant, or a directory
// with config.json of model_type gemma4_assistant and safetensors.
//
// Errors    Name the file, the key, field or tensor, what was found and expected. A tensor without
//           a place is an error by name.
// Source    docs/vindex-format.md, "The drafter".

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/vindex/drafter.hpp"

#include <filesystem>

namespace larql::import {

struct drafter_checkpoint {
  vindex::drafter_config config;
  /// Its tensors by vindex::drafter_tensors' keys, each of the right shape; the numbers of a model
  /// mean nothing here.
  checkpoint source;
};

/// Whether a drafter is there, and not a model. False for what cannot be read.
[[nodiscard]] bool is_drafter(const std::filesystem::path& path);

[[nodiscard]] result<drafter_checkpoint> open_drafter(const std::filesystem::path& path);

} // namespace larql::import
