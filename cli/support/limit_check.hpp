// Whether the system gives what an actor system needs, found out before it is made: CAF waits for
// ever, or worse, if one of its own threads cannot be started, and ends the process without a
// pipe.

#pragma once

#include "runtime/base/result.hpp"

namespace larql::cli {

/// Scheduler, clock, network, the shard's helper, and those that dial or greet; twice, because what
/// is allocated until they start takes the place of the last ones.
inline constexpr unsigned threads_of_actors = 16;
/// The network thread's own, its listener and the first connections.
inline constexpr unsigned descriptors_of_actors = 12;

/// Starts that many threads at once and ends them, and opens and closes that many descriptors.
/// errc::io if there are fewer to be had.
[[nodiscard]] result<void> check_limits(unsigned threads = threads_of_actors,
                                        unsigned descriptors = descriptors_of_actors);

} // namespace larql::cli
