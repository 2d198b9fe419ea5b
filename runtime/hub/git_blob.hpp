// The name git gives a file's content: SHA-1 over "blob SIZE\0" and the bytes. The Hub names files
// by it that are not in large-file storage.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

namespace larql::hub {

/// Names of a file's content, in lower-case hexadecimal.
struct file_names {
  std::uint64_t bytes = 0;
  std::string sha256;
  std::string git_blob;
};

/// Reads the file once for both. `on_read` gets the bytes read so far; false stops.
[[nodiscard]] result<file_names> name_file(const std::filesystem::path& path,
                                           const std::function<bool(std::uint64_t)>& on_read);

/// The same of bytes in memory.
[[nodiscard]] file_names name_bytes(std::span<const std::byte> bytes);

} // namespace larql::hub
