// Many digests at once, shared among the threads of a pool.
//
// Blocking  Until all are done or one caller stops.
// Errors    Each job has its own; stopped ones are errc::cancelled.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/file_hash.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace larql::vindex {

/// Ranges of one file; none means all of it.
struct hash_job {
  std::filesystem::path path;
  std::vector<byte_range> ranges;
};

/// Gets the bytes hashed since the last call and the file; called by one thread at a time. False
/// stops.
using jobs_progress = std::function<bool(std::uint64_t bytes, const std::filesystem::path& file)>;

/// The digests, in the order of the jobs.
[[nodiscard]] std::vector<result<sha256_digest>> hash_all(const std::vector<hash_job>& jobs,
                                                          compute_pool& pool,
                                                          const jobs_progress& on_progress = {});

} // namespace larql::vindex
