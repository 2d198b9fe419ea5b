// A Gemma 4 mixture-of-experts model from GGUF: one file, or all files of a split one.
//
// Errors    Name the file, the key or tensor, what was found and expected; other architectures and
//           tensor types that are not supported are refused by name.
// Source    docs/vindex-format.md, "Importing GGUF".

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/gguf_parts.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace larql::import {

struct gguf_options {
  /// Also make the text files: tokenizer, chat template, sampling defaults. That takes a second for
  /// a large vocabulary.
  bool texts = true;
  /// The files of a pulled model, in order. They may be known to hold what is needed only; others
  /// must be whole.
  std::vector<std::filesystem::path> parts = {};
};

/// Opens `path`; of a split model any part may be named, and the others are found beside it, unless
/// they are named as well.
[[nodiscard]] result<checkpoint> open_gguf(const std::filesystem::path& path,
                                           const gguf_options& options = {});

} // namespace larql::import
