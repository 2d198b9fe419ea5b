// Where a node finds its model.
//
// Blocking  As long as a download takes; ends soon after `stopped` says so.
// Errors    errc::usage if there is no model and nothing says where to get one.

#pragma once

#include "cli/node_settings.hpp"

#include <filesystem>
#include <functional>

namespace larql::cli {

/// The directory of the model that the settings name. The one place that knows where models come
/// from: everything else of a node reads this directory.
[[nodiscard]] result<std::filesystem::path> find_model(const node_settings& s,
                                                       const std::function<bool()>& stopped);

} // namespace larql::cli
