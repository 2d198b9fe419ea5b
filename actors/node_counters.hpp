// What a node is and has done so far, counted where it happens and read by whoever reports.
//
// Threads   Any.

#pragma once

#include "schema/messages.hpp"

#include <atomic>
#include <cstdint>

namespace larql::actors {

struct node_counters {
  std::atomic<std::uint64_t> served{0};  ///< calls answered, failed ones included
  std::atomic<std::uint64_t> failed{0};  ///< of those
  std::atomic<std::uint32_t> waiting{0}; ///< accepted and not answered
  std::atomic<schema::node_state> state{schema::node_state::serving};
};

} // namespace larql::actors
