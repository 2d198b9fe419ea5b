// URLs: what is sent to whom. The rules that keep a token from going astray start here.
//
// Errors    Name the URL, without its query: that of a signed URL is a secret.

#pragma once

#include "runtime/base/result.hpp"

#include <string>
#include <string_view>

namespace larql::hub {

/// Scheme, host and port in lower case, the port always there: "https://huggingface.co:443". Two
/// URLs with the same origin are served by the same party; http and https differ, and so do ports.
[[nodiscard]] result<std::string> origin_of(std::string_view url);

/// Where a redirect from `from` leads; `location` may be relative. Only http and https, never from
/// https to http, never with a user name.
[[nodiscard]] result<std::string> redirect_target(std::string_view from, std::string_view location);

/// For messages: without query, fragment, user name.
[[nodiscard]] std::string without_secrets(std::string_view url);

/// Percent-encodes all but unreserved characters; `keep_slashes` for paths.
[[nodiscard]] std::string percent_encode(std::string_view text, bool keep_slashes);

/// Whether others could listen in: plain http to anything but this machine.
[[nodiscard]] bool is_plain_http_beyond_loopback(std::string_view origin);

} // namespace larql::hub
