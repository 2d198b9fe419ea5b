// What the kernel says about a running process: memory, descriptors, threads, signals. What it says
// about files is in page_cache.hpp.

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace larql::test {

/// Resident memory, of /proc/PID/status: VmRSS, RssAnon or RssFile.
[[nodiscard]] std::uint64_t memory_bytes(pid_t pid, const std::string& field = "VmRSS");

[[nodiscard]] std::size_t descriptor_count(pid_t pid);
[[nodiscard]] std::size_t thread_count(pid_t pid);

/// 'R' running, 'S' sleeping, 'T' stopped, 'Z' ended; 0 if there is no such process.
[[nodiscard]] char process_state(pid_t pid);

/// Whether the process has a handler for the signal.
[[nodiscard]] bool catches_signal(pid_t pid, int signal);

/// A mapping of /proc/PID/smaps.
struct mapping {
  std::uint64_t offset = 0; ///< in the file
  std::uint64_t bytes = 0;
  std::uint64_t resident = 0;
};
/// The mappings of a file in a process.
[[nodiscard]] std::vector<mapping> mappings_of(pid_t pid, const std::filesystem::path& file);

/// Waits until `condition` holds; false if that takes longer than test_timeout.
[[nodiscard]] bool eventually(const std::function<bool()>& condition);

} // namespace larql::test
