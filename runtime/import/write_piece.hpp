// Converts runs of rows, and appends them to a file of a vindex.
//
// Memory    Some megabytes at a time; source pages are released as soon as they are converted.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/package/checksum_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace larql::import {

/// Rows [begin, end) of a piece, counted from its first, in the piece's encoding.
/// @pre out holds them
[[nodiscard]] result<void> convert_piece(const piece& p, std::uint64_t begin, std::uint64_t end,
                                         std::span<std::byte> out, compute_pool& pool);

/// `on_bytes` is told what was written since the last call; false ends it with errc::cancelled.
/// `buffer` is scratch.
[[nodiscard]] result<void> write_piece(const piece& p, vindex::checksum_writer& out,
                                       compute_pool& pool, std::vector<std::byte>& buffer,
                                       const std::function<bool(std::uint64_t)>& on_bytes);

} // namespace larql::import
