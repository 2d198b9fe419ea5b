// What somebody has given in the place of a model or of a checkpoint. The commonest mistakes get an
// answer that names the command they need.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>

namespace larql::cli {

enum class model_kind {
  vindex,
  gguf,       ///< a file, or the first part of a split one
  checkpoint, ///< a directory with config.json and safetensors
};

struct found_model {
  model_kind kind = model_kind::vindex;
  std::filesystem::path path; ///< of the directory, or of the GGUF file
};

/// What can be run as it is. A directory may hold one GGUF, in one file or in parts, beside other
/// things. Otherwise an error that says what is there and what to do.
[[nodiscard]] result<found_model> find_model(const std::filesystem::path& path);

/// Nothing if `path` is a directory with an index.json. Otherwise an error that says what is there:
/// a GGUF file, a checkpoint, a file of a vindex, nothing. errc::not_found for a path that does not
/// exist or a directory that is nothing known, errc::usage for something else's file.
[[nodiscard]] result<void> require_vindex(const std::filesystem::path& path);

/// The same for what extract reads: a GGUF file, or a directory with config.json.
[[nodiscard]] result<void> require_checkpoint(const std::filesystem::path& path);

/// The error of a command that reads a vindex's files themselves, for one whose matrices lie
/// elsewhere.
[[nodiscard]] result<void> require_own_files(const std::filesystem::path& dir);

} // namespace larql::cli
