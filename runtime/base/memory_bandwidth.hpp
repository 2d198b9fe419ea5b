// Measures how fast this machine's threads can read memory, as the yardstick for decoding.
//
// Blocking  About a second.
// Memory    The buffer that it reads, given back at the end.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/result.hpp"

#include <cstddef>

namespace larql {

/// Bytes per second that all threads of the pool read together from a buffer of `bytes`, which must
/// be larger than the caches; the best of several passes.
[[nodiscard]] result<double> read_bandwidth(compute_pool& pool,
                                            std::size_t bytes = std::size_t{512} << 20);

} // namespace larql
