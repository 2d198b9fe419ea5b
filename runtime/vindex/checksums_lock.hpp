// Keeps a second process, or thread, from writing checksums.json while one changes it.
//
// Blocking  Waits for whoever has it, which is for a write of some kilobytes.
// Owner     The lock is let go with the object.
// Errors    Name the file.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>

namespace larql::vindex {

class checksums_lock {
public:
  /// For the vindex in `dir`.
  [[nodiscard]] static result<checksums_lock> take(const std::filesystem::path& dir);

  checksums_lock(checksums_lock&& other) noexcept;
  checksums_lock& operator=(checksums_lock&&) = delete;
  ~checksums_lock();

private:
  checksums_lock() = default;
  int fd_ = -1;
};

} // namespace larql::vindex
