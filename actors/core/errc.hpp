// Error codes between actors. Each code says who has to act; a text for people travels with it.

#pragma once

#include "runtime/base/result.hpp"

#include <caf/error.hpp>

#include <cstdint>
#include <string>

namespace larql::actors {

enum class call_errc : std::uint8_t {
  none = 0,
  /// Retry on a replica now, or here after a back-off.
  overloaded,
  /// The node is about to leave: retry on a replica.
  draining,
  /// The sender's map is stale: refresh it, then route again.
  not_owner,
  /// The call is wrong; retrying cannot help.
  bad_call,
  /// The connection is gone, and the call with it. Retry elsewhere.
  link_lost,
  /// The node cannot compute: damaged weights, a bug. Another replica may.
  node_failed,
  /// No answer within the call's deadline.
  deadline,
  /// The node's shard failed and starts anew: retry on a replica now, or here after a back-off.
  restarting,
};

std::string to_string(call_errc code);

/// A CAF error that carries a text for people.
caf::error make_error(call_errc code, std::string text);

/// The text of any CAF error: ours as it was made, CAF's own by name.
std::string text_of(const caf::error& err);

/// The code of an error made here; none for others.
call_errc code_of(const caf::error& err);

} // namespace larql::actors
