// How Gemma 4 writes tools: their declarations, the arguments of a call, and its result.
//
//   declaration:weather{description:<|"|>The weather now.<|"|>,parameters:{…}}
//   call:weather{city:<|"|>The town of Rome<|"|>,days:[1,2]}
//   response:weather{value:<|"|>sunny and warm<|"|>}
//
// Fields are sorted by name, as the templates sort them. What an application wrote stays text.
//
// Source    The macros of the published chat templates, quirks included: a model expects what it
//           was trained on.

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/text/prompt_parts.hpp"

namespace larql::text {

/// What revisions of the template write differently.
struct tool_style {
  bool null_as_none = false; ///< Python's None in place of null
  bool early_commas = false; ///< the macro of the first two revisions, with commas out of place
};

/// `parameters` is a JSON schema; null or an empty object: none.
void write_declaration(prompt_parts& out, std::string_view name, std::string_view description,
                       const ordered_json& parameters, const tool_style& style);

/// A whole call, its control tokens included. @pre arguments are an object
void write_call(prompt_parts& out, std::string_view name, const ordered_json& arguments,
                const tool_style& style);

/// A whole result, its control tokens included.
void write_response(prompt_parts& out, std::string_view name, const ordered_json& response,
                    const tool_style& style);

} // namespace larql::text
