// The picture of a cluster as the page reads it (docs/page.md, "Cluster").
//
// Threads   Pure function.

#pragma once

#include "cli/serve/api/json_body.hpp"
#include "cli/serve/page/cluster_picture.hpp"

namespace larql::serve {

[[nodiscard]] ordered_json cluster_json(const cluster_picture& from);

} // namespace larql::serve
