// Which node an answer is waiting for, as far as the cluster tells.
//
// Threads   Pure function.

#pragma once

#include "actors/core/cluster_view.hpp"

#include <string>

namespace larql::cli {

/// "experts 8-15 of node beta": the first node that has gone and whose experts nobody else has,
/// else the first that does not answer; empty if all are well.
[[nodiscard]] std::string waiting_text(const actors::cluster_view& view);

} // namespace larql::cli
