// What keys and values that were kept in files are of use for.

#pragma once

#include "actors/session/session_service.hpp"
#include "runtime/vindex/index_json.hpp"

#include <filesystem>

namespace larql::cli {

/// Reads the tokenizer's file for its hash.
[[nodiscard]] result<actors::cache_identity> prompt_identity(const std::filesystem::path& vindex,
                                                             const vindex::model_config& model);

} // namespace larql::cli
