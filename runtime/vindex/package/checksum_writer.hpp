// A new file of a vindex that is hashed while it is written: as a whole, and in parts.
//
// Blocking  Writes to disk; large pieces are written and hashed at once by the pool's threads.
// Errors    As file_writer's.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/file_writer.hpp"
#include "runtime/vindex/checksums.hpp"

namespace larql::vindex {

class checksum_writer {
public:
  /// The pool must outlive the writer.
  [[nodiscard]] static result<checksum_writer> create(const std::filesystem::path& path,
                                                      compute_pool& pool);

  [[nodiscard]] result<void> write(std::span<const std::byte> bytes);
  /// A hole: zeros that take no space.
  [[nodiscard]] result<void> skip(std::uint64_t bytes);

  /// The digest of what was written since the last call; of everything before the first.
  [[nodiscard]] sha256_digest end_part();

  /// Size and digest of the whole file, before it gets its name. Call once, after the last write.
  [[nodiscard]] file_checksum sum();

  /// Gives the file its name.
  [[nodiscard]] result<void> commit() { return out_.commit(); }

private:
  checksum_writer(file_writer out, compute_pool& pool) : out_(std::move(out)), pool_(&pool) {}

  file_writer out_;
  compute_pool* pool_;
  sha256 whole_;
  sha256 part_;
};

} // namespace larql::vindex
