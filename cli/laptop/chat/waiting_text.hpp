// Which node an answer is waiting for, as far as the cluster tells.
//
// Threads   Any.

#pragma once

#include "actors/laptop/cluster.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace larql::cli {

/// "experts 8-15 of node beta": the first node that has gone and whose experts nobody else has,
/// else the first that does not serve, else the first of those that are `late` (incarnations);
/// empty if all are well.
[[nodiscard]] std::string waiting_text(const actors::cluster_view& view,
                                       const std::vector<std::uint64_t>& late);
/// The same of the nodes as they are now; empty if there are none.
[[nodiscard]] std::string waiting_text(const actors::cluster* nodes);
/// What is said behind a late node's name.
inline constexpr std::string_view late_text = ", which does not answer";

} // namespace larql::cli
