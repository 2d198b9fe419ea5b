// SHA-256 of files and of parts of files, read in pieces.
//
// Blocking  Reads from disk.
// Memory    One buffer of a megabyte; pages are not mapped.
// Errors    Name the file. A stopped one is errc::cancelled.

#pragma once

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/sha256.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace larql {

struct byte_range {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const byte_range&, const byte_range&) = default;
};

/// Gets the bytes read since the last call; false stops.
using hash_progress = std::function<bool(std::uint64_t)>;

/// One digest over these ranges of the file, one after another.
[[nodiscard]] result<sha256_digest> hash_ranges(const file& in, std::span<const byte_range> ranges,
                                                const hash_progress& on_progress = {});

[[nodiscard]] result<sha256_digest> hash_file(const file& in,
                                              const hash_progress& on_progress = {});

/// Of bytes in memory.
[[nodiscard]] sha256_digest hash_bytes(std::span<const std::byte> bytes);

} // namespace larql
