// A vindex of files that are used from where they lie: names, shapes, norms and texts are written
// into a directory of the cache, the matrices stay in the source (vindex/locations.hpp). What has
// to be stored otherwise, Q6_K for its order, goes to a file beside them, as far as it is needed.
//
// The directory is made as a whole or not at all; several processes may use it, and add what they
// need, at once.
//
// Blocking  Reads and writes; waits for another process that works in the directory.
// Memory    A few megabytes of buffers; source pages are released as soon as they are converted.
// Errors    Name the file or tensor; errc::cancelled if it was stopped. The same call goes on.
// Source    docs/vindex-format.md, "locations.json".

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/import/checkpoint.hpp"
#include "runtime/vindex/presence.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace larql::import {

/// What a process computes with.
struct located_needs {
  bool dense = true; ///< attention, dense feed-forward, embeddings, head
  bool texts = true; ///< tokenizer and what belongs to it: the source was opened with its texts
  std::vector<vindex::expert_block> experts;
};

/// What is to be written beside the source because it is stored otherwise there.
struct rewriting {
  std::uint64_t bytes = 0;
  std::size_t tensors = 0;
  std::string encodings; ///< "Q6_K"
  std::filesystem::path file;
};

struct located_options {
  std::string version;                       ///< of the program, for index.json
  std::optional<vindex::presence> here = {}; ///< of a source that holds some experts only
  /// Told before anything is rewritten.
  std::function<void(const rewriting&)> on_rewriting = {};
  /// Bytes rewritten; called several times a second.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress = {};
  std::stop_token stop = {};
};

/// Whether the directory belongs to this source and has the texts; then it need not be opened with
/// them.
[[nodiscard]] result<bool> has_texts(const std::filesystem::path& dir, const std::string& identity);

/// Makes the directory, or brings it to where the needs are met. @pre the source was read from
/// files and its encodings are kept (vindex::quant_kind::lossless)
[[nodiscard]] result<void> make_located(const checkpoint& source, const std::filesystem::path& dir,
                                        const located_needs& needs, compute_pool& pool,
                                        const located_options& options);

} // namespace larql::import
