// Little-endian numbers in byte buffers.
//
// Errors    Reading past the end is a caller bug: check sizes first, where they can be reported.

#pragma once

#include "runtime/base/check.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace larql {

static_assert(std::endian::native == std::endian::little,
              "files and messages are little-endian and read in place");

[[nodiscard]] inline std::uint32_t load_u32(std::span<const std::byte> from, std::uint64_t at) {
  LARQL_CHECK(at <= from.size() && from.size() - at >= 4);
  std::uint32_t x;
  std::memcpy(&x, from.data() + at, 4);
  return x;
}

[[nodiscard]] inline std::uint64_t load_u64(std::span<const std::byte> from, std::uint64_t at) {
  LARQL_CHECK(at <= from.size() && from.size() - at >= 8);
  std::uint64_t x;
  std::memcpy(&x, from.data() + at, 8);
  return x;
}

inline void append_bytes(std::vector<std::byte>& to, const void* data, std::size_t n) {
  const auto at = to.size();
  to.resize(at + n);
  std::memcpy(to.data() + at, data, n);
}
inline void append_u32(std::vector<std::byte>& to, std::uint32_t x) {
  append_bytes(to, &x, 4);
}
inline void append_u64(std::vector<std::byte>& to, std::uint64_t x) {
  append_bytes(to, &x, 8);
}

} // namespace larql
