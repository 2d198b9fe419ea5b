// Where the pieces of a lossless vindex lie if its source's files are used from where they lie:
// numbers that are stored as they are there, others (Q6_K, whose order differs) in a file beside
// the vindex's own.

#pragma once

#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/locations.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace larql::import {

/// Heads of layer files, one after the other.
inline constexpr std::string_view heads_file = "heads.bin";
/// Pieces that are stored otherwise than in the source.
inline constexpr std::string_view rewritten_file = "rewritten.bin";

struct rewritten_piece {
  piece rows;
  std::uint64_t offset = 0;           ///< in rewritten.bin
  std::optional<std::uint32_t> layer; ///< of experts' matrices
  std::uint32_t expert = 0;
};

struct located_layout {
  vindex::locations where;
  std::vector<std::byte> heads;
  std::vector<rewritten_piece> rewritten;
  std::uint64_t rewritten_bytes = 0; ///< size of rewritten.bin; 0: there is none
};

/// `plan` is a lossless one of `source`, and lives as long as the result. norms.bin, which is
/// small, stays a file. @pre the source was read from files
[[nodiscard]] located_layout lay_out(const checkpoint& source, const extract_plan& plan);

} // namespace larql::import
