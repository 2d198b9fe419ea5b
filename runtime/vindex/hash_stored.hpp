// Hashes of numbers as a vindex has them, whatever order of bits they are stored in: a GGUF that is
// used from where it lies has the name of the vindex that would be made of it.
//
// Blocking  Reads.
// Memory    A megabyte.
// Errors    Those of reading; errc::cancelled if on_read says false.

#pragma once

#include "runtime/base/sha256.hpp"
#include "runtime/quant/encoding.hpp"
#include "runtime/vindex/storage.hpp"

#include <cstdint>
#include <functional>

namespace larql::vindex {

/// Bytes of a file: whole blocks of an encoding.
struct encoded_range {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  quant::encoding format = quant::encoding::f32;
};

/// Adds the range to `to`. `on_read` is told how many bytes were read since the last call.
[[nodiscard]] result<void> hash_as_in_vindex(const stored_file& in, const encoded_range& range,
                                             sha256& to,
                                             const std::function<bool(std::uint64_t)>& on_read);

} // namespace larql::vindex
