// Error texts for answers that are not success; they tell the user what to do.

#pragma once

#include "runtime/hub/access.hpp"
#include "runtime/hub/http.hpp"

namespace larql::hub {

/// "https://host/path: 503 Service Unavailable: the server's own words"
[[nodiscard]] std::string status_text(const http_answer& answer);

/// The same as an error, with advice: what a token must be allowed, what may be misspelt.
[[nodiscard]] failure answer_error(const http_answer& answer, const access& as);

} // namespace larql::hub
