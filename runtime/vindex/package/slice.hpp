// Copies a slice of a vindex: some of its parts, some of its experts. Layer files keep their size
// and offsets; experts that stay behind become holes, which take no space.
//
// The work happens in DESTINATION.partial. A file has its real name there only when it is complete;
// a run that was killed goes on, after checking the hashes of what it finds. When everything is
// there, the directory gets its real name.
//
// Memory    A few megabytes of buffers.
// Errors    Name the file. Where the source has checksums, every copied byte is checked against
//           them. A cancelled run (errc::cancelled) can be resumed.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/vindex/package/slice_plan.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace larql::vindex {

struct slice_progress {
  std::uint64_t done_bytes = 0; ///< of held bytes, those of an earlier run included
  std::uint64_t total_bytes = 0;
  std::uint64_t resumed_bytes = 0; ///< taken over from an earlier run
  std::string_view file;
};

struct slice_options {
  bool force = false; ///< replace an existing destination
  /// Called several times a second; false cancels.
  std::function<bool(const slice_progress&)> on_progress;
  /// Called with the directory when all files are in it and before it gets its real name. After a
  /// failure or a stop the same command calls it again.
  std::function<result<void>(const std::filesystem::path&)> last_step = {};
};

[[nodiscard]] result<void> slice(const slice_plan& plan, const std::filesystem::path& destination,
                                 compute_pool& pool, const slice_options& options);

} // namespace larql::vindex
