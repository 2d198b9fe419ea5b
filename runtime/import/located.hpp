// A vindex of files that are used from where they lie: names, shapes, norms and texts are written
// into a directory of the cache, the matrices stay in the source (vindex/locations.hpp).
//
// The directory is made as a whole or not at all; several processes may use it, and add texts to
// it, at once.
//
// Blocking  Reads and writes; waits for another process that works in the directory.
// Errors    Name the file or tensor; errc::cancelled if it was stopped. The same call goes on.
// Source    docs/vindex-format.md, "locations.json".

#pragma once

#include "runtime/import/checkpoint.hpp"
#include "runtime/vindex/presence.hpp"

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

namespace larql::import {

struct located_options {
  std::string version;                       ///< of the program, for index.json
  std::optional<vindex::presence> here = {}; ///< of a source that holds some experts only
  std::stop_token stop = {};
};

/// Whether the directory belongs to this source and has the texts; then it need not be opened with
/// them.
[[nodiscard]] result<bool> has_texts(const std::filesystem::path& dir, const std::string& identity);

/// Makes the directory if it is not there, and adds the source's texts if they are asked for.
/// @pre the source was read from files and its encodings are kept (vindex::quant_kind::lossless)
[[nodiscard]] result<void> make_located(const checkpoint& source, const std::filesystem::path& dir,
                                        bool texts, const located_options& options);

} // namespace larql::import
