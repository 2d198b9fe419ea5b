// What a node has done so far, counted where it happens and read by whoever reports.
//
// Threads   Any.

#pragma once

#include <atomic>
#include <cstdint>

namespace larql::actors {

struct node_counters {
  std::atomic<std::uint64_t> served{0};  ///< calls answered, failed ones included
  std::atomic<std::uint64_t> failed{0};  ///< of those
  std::atomic<std::uint32_t> waiting{0}; ///< accepted and not answered
};

} // namespace larql::actors
