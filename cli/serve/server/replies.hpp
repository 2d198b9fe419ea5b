// Replies that are known at once.
//
// Threads   Pure functions.

#pragma once

#include "actors/net/http_types.hpp"
#include "cli/serve/api/api_error.hpp"

#include <string_view>

namespace larql::serve {

inline constexpr std::string_view json_type = "application/json; charset=utf-8";
inline constexpr std::string_view text_type = "text/plain; charset=utf-8";

[[nodiscard]] actors::http_reply json_reply(const ordered_json& body, unsigned status = 200);
[[nodiscard]] actors::http_reply text_reply(std::string text, std::string_view type = text_type);

/// The head of a stream.
[[nodiscard]] actors::http_reply stream_reply(std::string_view type);

/// With the headers that belong to the status: Retry-After, Allow, WWW-Authenticate.
[[nodiscard]] actors::http_reply error_reply(protocol p, const api_error& error);

} // namespace larql::serve
