// What a chat template says that is not rendered here: prompts are written by chat_template.hpp,
// the template itself is not run.
//
// Numerics  A heuristic over the template's source: published templates of Gemma 4 put no words of
//           their own into a prompt, so words in it are a default system text or the like.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

/// A line for each thing: text of the template's own, the date. Empty: nothing was found.
[[nodiscard]] std::vector<std::string> what_is_not_rendered(std::string_view jinja);

} // namespace larql::text
