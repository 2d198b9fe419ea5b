// What goes into which file of a new vindex, decided before a byte is written.

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/import/convert.hpp"
#include "runtime/vindex/manifest.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace larql::import {

/// A run of rows of one tensor, in one encoding.
struct piece {
  const source_tensor* tensor = nullptr;
  target to;
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  float scale = 1; ///< what the numbers are multiplied with

  [[nodiscard]] std::uint64_t bytes() const noexcept { return rows * to.row_bytes(); }
};

/// One output file: a literal beginning, then pieces.
struct output_file {
  std::string name; ///< relative to the vindex
  std::vector<std::byte> head;
  std::vector<piece> pieces;
  std::optional<std::uint32_t> layer; ///< of a layer file
  std::uint32_t experts = 0;          ///< of a layer file; each has equally many pieces

  [[nodiscard]] std::uint64_t bytes() const noexcept;
};

struct extract_plan {
  std::vector<output_file> files;
  std::vector<text_file> texts; ///< index.json, manifests, tokenizer; written last
};

/// Whether matrices are written to files of the vindex, or used from where they lie. Only then do
/// they keep an encoding that no vindex has (quant::vindex_encoding).
enum class matrices_lie { in_vindex, in_source };

/// `version` is the program's, for index.json.
[[nodiscard]] result<extract_plan> plan_extract(const checkpoint& source, vindex::quant_kind quant,
                                                const std::string& version = {},
                                                matrices_lie where = matrices_lie::in_vindex);

} // namespace larql::import
