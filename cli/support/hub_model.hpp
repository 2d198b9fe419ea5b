// A model of the Hub, whatever the repository keeps it in: a vindex is pulled into a directory; a
// GGUF too, and is used from there by a vindex in the cache that points into it; a checkpoint is
// made a vindex in the cache while it arrives.
//
// Blocking  Downloads, with a progress line; ends soon after `stop` is requested.
// Errors    As hub/pull.hpp, hub/gguf_pull.hpp and hub/checkpoint_pull.hpp.

#pragma once

#include "runtime/hub/pull_plan.hpp"
#include "runtime/hub/repo.hpp"

#include <filesystem>
#include <stop_token>

namespace larql::cli {

/// The directory to read the model from, with what the command needs. `to` is the directory that
/// keeps what is pulled.
[[nodiscard]] result<std::filesystem::path> open_hub_model(const hub::model_address& model,
                                                           const std::filesystem::path& to,
                                                           const hub::pull_request& needs,
                                                           const std::stop_token& stop);

/// The same with what is there already; errc::not_found if that is nothing.
[[nodiscard]] result<std::filesystem::path> find_hub_model(const hub::model_address& model,
                                                           const std::filesystem::path& to);

} // namespace larql::cli
