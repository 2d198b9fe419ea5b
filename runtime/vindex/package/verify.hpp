// Is a vindex what it says it is? Sizes and structure first, then, if asked for, every byte.
//
// Experts that a slice does not hold are not looked for. Everything that is wrong is reported, not
// only the first thing; what could not be checked, because there is no checksum for it, is said.
//
// Blocking  `deep` reads everything the vindex holds.
// Source    docs/vindex-format.md, "checksums.json".

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::vindex {

struct verify_report {
  std::vector<std::string> wrong;     ///< "FILE: what, found, expected", one line each
  std::vector<std::string> unchecked; ///< "FILE: why not"
  std::uint64_t files = 0;            ///< looked at
  std::uint64_t digests = 0;          ///< compared: of files, and of experts by themselves
  std::uint64_t hashed_bytes = 0;
};

struct verify_options {
  bool deep = false; ///< compare SHA-256, not only sizes and structure
  /// Bytes hashed, bytes to hash, the file; false stops.
  std::function<bool(std::uint64_t done, std::uint64_t total, std::string_view file)> on_progress;
};

/// An error only if there is no such directory, or errc::cancelled.
[[nodiscard]] result<verify_report> verify(const std::filesystem::path& dir, compute_pool& pool,
                                           const verify_options& options);

} // namespace larql::vindex
