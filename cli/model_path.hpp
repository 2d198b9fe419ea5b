// Where a command finds its model: a directory, or "hf://OWNER/NAME[@REVISION]", which means a
// directory of the cache that is filled first with what the command needs.
//
// The cache is $LARQL_CACHE, else $XDG_CACHE_HOME/larql, else ~/.cache/larql. A model in it that is
// complete for its role needs no network; `larql pull` brings it up to date.
//
// Blocking  Downloads, with a progress line; ends soon after `stopped` says so.
// Errors    As hub/pull.hpp; errc::cancelled if it was stopped.

#pragma once

#include "cli/node_settings.hpp"
#include "runtime/hub/pull.hpp"

#include <filesystem>
#include <string_view>

namespace larql::cli {

/// The cache: $LARQL_CACHE, else $XDG_CACHE_HOME/larql, else ~/.cache/larql.
[[nodiscard]] result<std::filesystem::path> cache_directory(const environment_fn& environment);

/// Where a model of the Hub is kept: CACHE/hub/OWNER/NAME@REVISION.
[[nodiscard]] result<std::filesystem::path> cached_model_path(const hub::repo& r,
                                                              const environment_fn& environment);

/// The directory of the model. Anything but hf:// is returned as it is.
[[nodiscard]] result<std::filesystem::path> resolve_model(const std::string& model,
                                                          const hub::pull_request& needs,
                                                          const std::function<bool()>& stopped);

/// The same for a command that Ctrl-C stops.
[[nodiscard]] result<std::filesystem::path> resolve_model(const std::string& model,
                                                          const hub::pull_request& needs);

/// The same for a node: its settings may say to fill a directory of its own from the Hub.
[[nodiscard]] result<std::filesystem::path> resolve_model(const node_settings& s,
                                                          const hub::pull_request& needs,
                                                          const std::function<bool()>& stopped);

/// For commands that look at what is there and fetch nothing: what the cache holds of a model. An
/// error if that is nothing.
[[nodiscard]] result<std::filesystem::path> cached_model(const std::string& model);

/// An error for hf://, where a command needs a directory: `instead` says what to do.
[[nodiscard]] result<void> require_directory(const std::string& model, std::string_view instead);

/// What a laptop needs whose experts are elsewhere, and what a node needs for its experts.
[[nodiscard]] hub::pull_request laptop_needs();
[[nodiscard]] hub::pull_request node_needs(const node_settings& s);

/// Pulls with a progress line.
[[nodiscard]] result<hub::pull_outcome> pull_with_progress(const hub::repo& from,
                                                           const hub::pull_request& request,
                                                           const std::filesystem::path& to,
                                                           hub::pull_options options);

} // namespace larql::cli
