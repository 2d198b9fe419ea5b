// Random numbers for jitter, never for results.

#pragma once

#include <functional>

namespace larql {

/// Numbers in [0, 1) from a generator of its own, seeded by the system. For one thread at a time;
/// copies share the generator.
[[nodiscard]] std::function<double()> jitter_source();

} // namespace larql
