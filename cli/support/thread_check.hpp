// Whether the system gives the threads that an actor system needs, found out before it is made: CAF
// waits for ever, or worse, if one of its own threads cannot be started.

#pragma once

#include "runtime/base/result.hpp"

namespace larql::cli {

/// Scheduler, clock, network, the shard's helper, and those that dial or greet.
inline constexpr unsigned threads_of_actors = 8;

/// Starts that many threads at once and ends them. errc::io if there are fewer to be had.
[[nodiscard]] result<void> check_threads(unsigned count);

} // namespace larql::cli
