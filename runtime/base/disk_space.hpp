// Free disk space, checked before work that writes for hours.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <filesystem>

namespace larql {

/// Bytes that this user may still write to the file system of `path`, or of the nearest parent that
/// exists.
[[nodiscard]] result<std::uint64_t> free_space_bytes(const std::filesystem::path& path);

/// An error that names the numbers if fewer than `needed_bytes` and `spare_bytes` more are free:
/// what is to be written, and what file system and small files take beside it.
[[nodiscard]] result<void> check_free_space(const std::filesystem::path& path,
                                            std::uint64_t needed_bytes,
                                            std::uint64_t spare_bytes = 0);

} // namespace larql
