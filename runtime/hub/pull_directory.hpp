// Begins a pull into a directory: nobody else pulls into it, and it is settled which commit it is
// to hold, and which files that commit has.
//
// Blocking  Requests, unless the directory knows; waits for another process as options say.
// Errors    errc::usage for a directory that holds something else; errc::unavailable if another
//           process pulls into it.

#pragma once

#include "runtime/hub/hub_client.hpp"
#include "runtime/hub/pull_options.hpp"
#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/pull_state.hpp"

namespace larql::hub {

struct begun_pull {
  pull_lock lock;
  snapshot from;
};

/// A name that leads nowhere leaves no directory behind.
[[nodiscard]] result<begun_pull> begin_pull(const repo& from, const pull_layout& layout,
                                            hub_client& hub, const pull_options& options);

} // namespace larql::hub
