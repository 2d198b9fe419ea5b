// The file of pieces that are stored otherwise than in their source: sparse, with a list of what is
// there (base/held_bytes.hpp).
//
// Blocking  Writes to disk; waits for another process that writes to the file.
// Errors    Name the file or tensor; errc::cancelled if it was stopped.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/located_layout.hpp"

#include <filesystem>
#include <functional>
#include <stop_token>
#include <vector>

namespace larql::import {

/// A file of holes, and an empty list.
[[nodiscard]] result<void> create_rewritten_file(const std::filesystem::path& path,
                                                 std::uint64_t bytes);

/// Those of `pieces` that the file does not hold yet.
[[nodiscard]] result<std::vector<rewritten_piece>>
missing_pieces(const std::filesystem::path& path, const std::vector<rewritten_piece>& pieces);

struct rewrite_options {
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress = {};
  std::stop_token stop = {};
};

/// Writes pieces to the file, those left out that another process has written meanwhile.
[[nodiscard]] result<void> write_pieces(const std::filesystem::path& path,
                                        std::vector<rewritten_piece> pieces, compute_pool& pool,
                                        const rewrite_options& options);

/// Rows [begin, end) of a piece, counted from its first, in the piece's encoding.
/// @pre out holds them
[[nodiscard]] result<void> convert_piece(const piece& p, std::uint64_t begin, std::uint64_t end,
                                         std::span<std::byte> out, compute_pool& pool);

} // namespace larql::import
