// Converts a run of rows and appends it to a file of a vindex.
//
// Memory    Some megabytes at a time; source pages are released as soon as they are converted.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/extract_plan.hpp"
#include "runtime/vindex/package/checksum_writer.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace larql::import {

/// `on_bytes` is told what was written since the last call; false ends it with errc::cancelled.
/// `buffer` is scratch.
[[nodiscard]] result<void> write_piece(const piece& p, vindex::checksum_writer& out,
                                       compute_pool& pool, std::vector<std::byte>& buffer,
                                       const std::function<bool(std::uint64_t)>& on_bytes);

} // namespace larql::import
