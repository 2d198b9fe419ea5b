// The counters of a session service that the page shows.
//
// Threads   Pure function.

#pragma once

#include "actors/session/status.hpp"
#include "cli/serve/page/cluster_picture.hpp"

namespace larql::serve {

[[nodiscard]] picture_counters counters_of(const actors::session_status& s);
[[nodiscard]] speculation_counters speculation_of(const actors::session_status& s);

} // namespace larql::serve
