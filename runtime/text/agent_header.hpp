// A line that some agents put in front of their system message for the accounting of their own
// provider. It changes with every request and says nothing to a model, but in front of a long
// constant prompt it would part that prompt from itself at its first tokens.
//
// Source    What agents send to /v1/messages as the first system block:
//           "x-anthropic-billing-header: cc_version=2.1.36.d1c; cc_entrypoint=cli; cch=5b4a1;"

#pragma once

#include <string_view>

namespace larql::text {

/// The system text behind such lines; empty if it is nothing else. Any other text is returned as it
/// is. Front ends use it on each block of a system message before they render the prompt, so that
/// the prompt of a request does not depend on what was asked before.
[[nodiscard]] std::string_view without_agent_header(std::string_view system_text) noexcept;

} // namespace larql::text
