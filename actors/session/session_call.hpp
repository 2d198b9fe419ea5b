// A request on its way to the session service, and the service's reply to it.

#pragma once

#include "actors/session/events.hpp"
#include "actors/session/limits.hpp"
#include "actors/session/request.hpp"

#include <optional>

namespace larql::actors {

struct session_call {
  session_request request;
  event_fn on_event;
};

struct session_reply {
  std::optional<refusal> refused;
  std::uint64_t id = 0; ///< of the request or session, unless it was refused
};

} // namespace larql::actors
