// A vindex of a checkpoint of the Hub, made while the checkpoint arrives: the disk holds the vindex
// and a window of the checkpoint, not both.
//
// Each file comes in windows from front to back. A window is fetched as every pull fetches, hashed,
// converted, noted (stream_note.hpp) and given back to the disk. When a file is through, its hash
// must be the repository's; if it is not, that file is taken again. The vindex has its name when
// all files are right.
//
// Blocking  Downloads and computes; ends soon after http.stop is requested.
// Memory    Some megabytes of buffers, and what the kernel keeps of a window.
// Errors    Name the repository, file, tensor; errc::cancelled if it was stopped. The same call
//           goes on, and fetches no byte again that was noted.
// Source    docs/hub.md, "Checkpoints".

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/hub/pull_options.hpp"
#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/repo.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace larql::hub {

struct checkpoint_pull_options {
  pull_options pull;
  std::string version;                       ///< of the program, for index.json
  std::uint64_t window_bytes = 128ull << 20; ///< whole blocks of the hash
  /// Told once, before files of this size arrive for a vindex of that size.
  std::function<void(std::uint64_t, std::uint64_t)> on_start = {};
};

/// Names a repository's checkpoint by the contents of its files.
[[nodiscard]] std::string checkpoint_identity(const snapshot& s);

/// Makes the vindex `destination`, of the reference's encoding. `to` is the directory of the
/// repository in the cache.
[[nodiscard]] result<void> pull_checkpoint(const repo& from, const std::filesystem::path& to,
                                           const std::filesystem::path& destination,
                                           compute_pool& pool,
                                           const checkpoint_pull_options& options);

} // namespace larql::hub
