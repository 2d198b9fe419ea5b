// What a program says when it cannot go on: one line on stderr and exit code 1, instead of an abort
// or of threads that wait for one that was never started.
//
// Threads   Any. The line is written without allocating.

#pragma once

namespace larql::cli {

/// From now on an exception that nobody catches prints "PROGRAM: ..." and ends the process with
/// exit code 1. `program` must live as long as the process.
void install_terminate_handler(const char* program) noexcept;

/// While one lives, an allocation that fails ends the process in the same way. For a program that
/// starts: half of it is of no use. Afterwards std::bad_alloc is thrown, which ends a connection.
class ends_without_memory {
public:
  ends_without_memory() noexcept;
  ~ends_without_memory();
  ends_without_memory(const ends_without_memory&) = delete;
  ends_without_memory& operator=(const ends_without_memory&) = delete;

  /// The scope is over.
  void release() noexcept;

private:
  void (*before_)() = nullptr;
  bool held_ = true;
};

} // namespace larql::cli
