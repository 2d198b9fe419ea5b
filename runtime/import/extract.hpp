// Writes a vindex from a checkpoint.
//
// The work happens in DESTINATION.partial: each file appears there under its real name only when it
// is complete, so a run that was killed goes on where it stopped. When all files are there, the
// directory gets its real name.
//
// Memory    A few megabytes of buffers; source pages are released as soon as they are converted.
// Errors    Name the tensor or file. A cancelled run (errc::cancelled) can be resumed.
// Source    docs/vindex-format.md.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/checkpoint.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace larql::import {

struct extract_progress {
  std::uint64_t done_bytes = 0; ///< of output, files of an earlier run included
  std::uint64_t total_bytes = 0;
  std::uint64_t resumed_bytes = 0; ///< taken over from an earlier run
  std::string_view file;
};

struct extract_options {
  vindex::quant_kind quant = vindex::quant_kind::lossless;
  bool force = false;           ///< replace a vindex that is the destination
  std::filesystem::path source; ///< of the checkpoint: never replaced
  std::string version;          ///< of the program, for index.json
  /// Called several times a second; false cancels.
  std::function<bool(const extract_progress&)> on_progress;
  /// Called with the directory when all files are in it and before it gets its real name. After a
  /// failure or a stop the same command calls it again.
  std::function<result<void>(const std::filesystem::path&)> last_step = {};
  /// What last_step makes of another source: an unfinished directory with another one is not
  /// continued.
  std::string beside = {};
};

[[nodiscard]] result<void> extract(const checkpoint& source,
                                   const std::filesystem::path& destination, compute_pool& pool,
                                   const extract_options& options);

} // namespace larql::import
