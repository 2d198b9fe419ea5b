// A vindex, or the part of one that a role needs, from the Hub into a directory.
//
// The commit is fixed before anything is fetched, so that a branch that moves cannot mix files.
// Every byte that came is noted (journal.hpp); whatever ends a pull, the same one goes on from
// there. Nothing gets its real name before it was checked. A pull into a directory that holds some
// experts adds others.
//
// Blocking  Yes; ends soon after http.stop is requested.
// Errors    Name the repository, file, field; errc::cancelled if it was stopped.
// Source    docs/hub.md.

#pragma once

#include "runtime/hub/pull_options.hpp"
#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/repo.hpp"

namespace larql::hub {

[[nodiscard]] result<pull_outcome> pull(const repo& from, const pull_request& request,
                                        const std::filesystem::path& to,
                                        const pull_options& options);

} // namespace larql::hub
