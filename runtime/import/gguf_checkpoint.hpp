// A Gemma 4 mixture-of-experts model from GGUF: one file, or all files of a split one.
//
// Errors    Name the file, the key or tensor, what was found and expected; other architectures and
//           tensor types that are not supported are refused by name.
// Source    docs/vindex-format.md, "Importing GGUF".

#pragma once

#include "runtime/import/checkpoint.hpp"

#include <filesystem>

namespace larql::import {

/// Opens `path`; of a split model any part may be named, and the others are found beside it.
[[nodiscard]] result<checkpoint> open_gguf(const std::filesystem::path& path);

} // namespace larql::import
