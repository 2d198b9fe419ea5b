// Overwrites memory that held what people wrote before it is given back.
//
// Threads   The owner's.

#pragma once

#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace larql {

/// Overwrites all memory of `from`, also what lies behind its end, and empties it.
template <class T>
void wipe(std::vector<T>& from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  if (from.capacity() != 0)
    ::explicit_bzero(static_cast<void*>(from.data()), from.capacity() * sizeof(T));
  from.clear();
}

inline void wipe(std::string& from) noexcept {
  ::explicit_bzero(from.data(), from.capacity());
  from.clear();
}

} // namespace larql
