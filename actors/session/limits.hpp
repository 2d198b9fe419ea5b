// The bounds of a session service, and what it says to a request that would exceed one.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"

#include <chrono>
#include <cstdint>

namespace larql::actors {

struct session_limits {
  std::uint32_t running = 64;   ///< answers computed at the same time
  std::uint32_t waiting = 256;  ///< answers of requests that wait for their turn
  std::uint32_t sessions = 64;  ///< open ones
  std::uint32_t context = 8192; ///< tokens of a prompt and its answer
  std::uint64_t kv_bytes = 0;   ///< of all keys and values, cached ones included; 0: no bound
  std::uint64_t cache_bytes = ~std::uint64_t{0};   ///< of these, most that finished sequences hold
  std::chrono::milliseconds longest_pause{30'000}; ///< then a paused request is cancelled
};

/// Which bound, or what else is wrong with a request.
enum class refusal_kind : std::uint8_t {
  invalid,    ///< it makes no sense; the text says why
  too_long,   ///< prompt tokens beyond the context
  queue_full, ///< try again later
  too_many_sessions,
  no_memory,       ///< its prompt alone would not fit the KV memory
  unknown_session, ///< closed, or never opened
  busy_session,    ///< a request of the session has not ended
  ending           ///< the process is about to end
};

struct refusal {
  refusal_kind kind = refusal_kind::invalid;
  failure error{errc::usage, {}}; ///< for people: what was found and what is allowed
  std::uint64_t found = 0;        ///< tokens, answers, sessions or bytes
  std::uint64_t limit = 0;
  std::chrono::seconds retry_after{0}; ///< an estimate; 0: trying again does not help
};

} // namespace larql::actors
