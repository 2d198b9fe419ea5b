// "0-63=caf://a:9470,64-127=caf://b:9470": which experts are where, as typed on the command line.
//
// Errors    Name the entry.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/ownership.hpp"
#include "runtime/topology/shard_url.hpp"

#include <string_view>
#include <vector>

namespace larql::topology {

struct shard_entry {
  experts::index_range experts;
  shard_url url;
};

/// Parses the whole map. Ranges are inclusive.
[[nodiscard]] result<std::vector<shard_entry>> parse_shard_map(std::string_view text);

} // namespace larql::topology
