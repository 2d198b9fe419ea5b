// Locks that keep a second process out of what one is writing, and say who has it.
//
// Owner     A lock goes with the open file: when it is closed, or with the process.
// Errors    Name the file; a file system without locks is an error.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>

namespace larql {

/// Locks a file that is open for reading and writing; false if somebody else has it. `path` is for
/// messages.
[[nodiscard]] result<bool> try_lock(int fd, const std::filesystem::path& path);

/// Who has the lock: "process 1234", or "another process" where its number cannot be told (another
/// container, another machine).
[[nodiscard]] std::string lock_holder(int fd);

/// Whether `path` still names the open file: it may have been renamed or removed before the lock
/// was had.
[[nodiscard]] bool is_same_file(int fd, const std::filesystem::path& path);

} // namespace larql
