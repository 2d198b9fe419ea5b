// Whoever answers prompts for the front ends of a process: its own session service, or one that is
// elsewhere.
//
// Owner     Its caller, who keeps it longer than the clients.

#pragma once

#include "actors/session/session_client.hpp"

namespace larql::actors {

struct session_options; // session_service.hpp

class session_provider {
public:
  session_provider() = default;
  virtual ~session_provider() = default;
  session_provider(const session_provider&) = delete;
  session_provider& operator=(const session_provider&) = delete;

  [[nodiscard]] virtual session_client client() const = 0;
  /// With the context that requests have.
  [[nodiscard]] virtual const session_options& options() const noexcept = 0;
};

} // namespace larql::actors
