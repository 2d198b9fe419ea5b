// What somebody has given in the place of a model or of a checkpoint. The commonest mistakes get an
// answer that names the command they need.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>

namespace larql::cli {

/// Nothing if `path` is a directory with an index.json. Otherwise an error that says what is there:
/// a GGUF file, a checkpoint, a file of a vindex, nothing. errc::not_found for a path that does not
/// exist or a directory that is nothing known, errc::usage for something else's file.
[[nodiscard]] result<void> require_vindex(const std::filesystem::path& path);

/// The same for what extract reads: a GGUF file, or a directory with config.json.
[[nodiscard]] result<void> require_checkpoint(const std::filesystem::path& path);

} // namespace larql::cli
