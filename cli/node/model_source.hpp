// Where a node finds its model: a directory, the cache of the Hub, or a directory of its own that
// is filled from the Hub first.
//
// Blocking  Downloads, with a progress line; ends soon after `stop` is requested.

#pragma once

#include "cli/node/settings.hpp"
#include "cli/support/model_path.hpp"

namespace larql::cli {

/// What a node needs of a model for its experts.
[[nodiscard]] hub::pull_request node_needs(const node_settings& s);

/// Whether the model is one of the Hub, so that something may have to be fetched.
[[nodiscard]] bool is_fetched(const node_settings& s);

/// The directory of the node's model, filled with what is needed.
[[nodiscard]] result<std::filesystem::path>
resolve_model(const node_settings& s, const hub::pull_request& needs, const std::stop_token& stop);

} // namespace larql::cli
