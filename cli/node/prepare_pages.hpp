// Makes the pages of the owned experts as the settings want them: read, compared with the known
// answers, or locked in memory.

#pragma once

#include "actors/node/node_server.hpp"
#include "cli/node/settings.hpp"
#include "cli/node/watchers.hpp"
#include "cli/support/process_signals.hpp"
#include "runtime/experts/expert_bank.hpp"

namespace larql::cli {

/// The signal that came meanwhile, or 0. Pages that cannot be locked are a warning.
[[nodiscard]] result<int> prepare_pages(const node_settings& s, const experts::expert_bank& bank,
                                        kernels::compute compute, actors::node_server& node,
                                        process_signals& signals, watchers& watch);

} // namespace larql::cli
