// Gives out the files of the page, with what a browser must not do with them.
//
// The page holds no secret: its files need no key, and everything that it asks for does.
//
// Threads   Pure functions.

#pragma once

#include "actors/net/http_types.hpp"
#include "cli/serve/page/page_files.hpp"

#include <string_view>

namespace larql::serve {

/// Scripts, styles and requests of this server alone, no markup from text, in nobody's frame.
inline constexpr std::string_view content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'";

/// Whether whoever asks for "/" is a browser that wants to show a page.
[[nodiscard]] bool wants_page(const actors::http_request& head);

/// The file, compressed if the client can read that; 304 if the client has it already.
[[nodiscard]] actors::http_reply page_reply(const page_file& file,
                                            const actors::http_request& head);

} // namespace larql::serve
