// What all commands that talk to the Hub share: access from the environment, Ctrl-C, notices.

#pragma once

#include "runtime/hub/http_client.hpp"

namespace larql::cli {

/// From HF_ENDPOINT, HF_TOKEN and so on (docs/hub.md). `stopped` ends requests and pauses.
[[nodiscard]] result<hub::http_settings> hub_settings(std::function<bool()> stopped);

} // namespace larql::cli
