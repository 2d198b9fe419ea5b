// LARQL_CHECK: an invariant of this program, checked in every build.
//
// For bugs of the caller only. What comes from a file, a peer or a user is an error value
// (result.hpp), never a failed check.

#pragma once

namespace larql {

/// Prints where and what, then aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

} // namespace larql

#define LARQL_CHECK(condition)                                                                     \
  do {                                                                                             \
    if (!(condition)) [[unlikely]]                                                                 \
      ::larql::check_failed(#condition, __FILE__, __LINE__);                                       \
  } while (false)
