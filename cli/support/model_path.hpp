// Where a command finds its model: on this machine (local_model.hpp), or on the Hub
// (hub_model.hpp), "hf://OWNER/NAME[@REVISION]" with ":QUANT" or "/FILE.gguf" behind it for a GGUF,
// which means a directory of the cache that is filled first with what the command needs.
//
// A model in the cache (cache.hpp) that is complete for its role needs no network; `larql pull`
// brings it up to date.
//
// Blocking  Downloads, with a progress line; ends soon after `stop` is requested.
// Errors    As hub/pull.hpp; errc::cancelled if it was stopped.

#pragma once

#include "cli/support/cache.hpp"
#include "runtime/hub/http_client.hpp"
#include "runtime/hub/pull.hpp"

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string_view>

namespace larql::cli {

/// Access to the Hub from HF_ENDPOINT, HF_TOKEN and so on (docs/hub.md). `stop` ends requests
/// and pauses.
[[nodiscard]] result<hub::http_settings> hub_settings(std::stop_token stop);

/// The directory of the model, with what is needed of it.
[[nodiscard]] result<std::filesystem::path> resolve_model(const std::string& model,
                                                          const hub::pull_request& needs,
                                                          const std::stop_token& stop);

/// The same for a command that Ctrl-C stops.
[[nodiscard]] result<std::filesystem::path> resolve_model(const std::string& model,
                                                          const hub::pull_request& needs);

/// For commands that look at what is there and fetch nothing: what the cache holds of a model. An
/// error if that is nothing.
[[nodiscard]] result<std::filesystem::path> cached_model(const std::string& model);

/// An error for hf://, where a command needs a directory: `instead` says what to do.
[[nodiscard]] result<void> require_directory(const std::string& model, std::string_view instead);

/// Fills `to` with what is needed of a model of the Hub, with a progress line; waits for another
/// program that is filling it.
[[nodiscard]] result<void> fill_directory(const hub::repo& from, const std::filesystem::path& to,
                                          const hub::pull_request& needs,
                                          const std::stop_token& stop);

/// What a laptop needs whose experts are elsewhere.
[[nodiscard]] hub::pull_request laptop_needs();

/// Shows a progress line from its first call on.
[[nodiscard]] std::function<void(const hub::pull_progress&)> pull_progress_line();

/// What a report adds if no hash covers some bytes: "; 3 GB could not be checked". Else empty.
[[nodiscard]] std::string unchecked_note(const hub::pull_outcome& done);

/// Pulls with a progress line.
[[nodiscard]] result<hub::pull_outcome> pull_with_progress(const hub::repo& from,
                                                           const hub::pull_request& request,
                                                           const std::filesystem::path& to,
                                                           hub::pull_options options);

} // namespace larql::cli
