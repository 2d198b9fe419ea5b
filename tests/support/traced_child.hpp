// A part of a test in a child process that is stopped at each of its system calls: for killing it
// at every one of them, and for having one fail.
//
// Owner     The child ends with the call.
// Platforms Linux on x86-64; elsewhere, or where tracing is forbidden, run() returns nullopt.

#pragma once

#include <functional>
#include <optional>

namespace larql::test {

struct traced_options {
  /// Killed before its n-th system call; none: never.
  std::optional<unsigned> kill_before;
  /// The number of a system call that fails with EINVAL, as one that this file system cannot do.
  std::optional<long> refused;
  /// Sees the number of every system call that begins.
  std::function<void(long)> on_call = [](long) {};
};

enum class traced_end { killed, succeeded, failed };

/// Runs `part` in a child; false means that it failed.
[[nodiscard]] std::optional<traced_end> run_traced(const std::function<bool()>& part,
                                                   const traced_options& options);

} // namespace larql::test
