// Messages, tools and the choice of tools in the shape of OpenAI's chat completions, which Ollama
// and /apply-template share for the most part.
//
// Errors    In the reader, with the path of the field.
// Source    The OpenAI API reference, "Create chat completion"; llama.cpp's and vLLM's additions.

#pragma once

#include "cli/serve/api/completion_request.hpp"
#include "cli/serve/api/field_reader.hpp"

namespace larql::serve::openai {

/// "messages": at least one. A system message may stand anywhere.
void read_messages(field_reader& fields, std::vector<text::chat_message>& out);

/// The elements of "tools", at most 1,024; null if there are none, or too many, which is reported.
[[nodiscard]] const ordered_json* tools_of(field_reader& fields);

/// Whether a tool's "type", which may be missing, is `only`. If not, the tool is refused with
/// `reason`.
[[nodiscard]] bool is_tool_of_type(field_reader& tool, std::string_view only,
                                   std::string_view reason);

/// "tools" that are functions; other types are refused by name.
void read_tools(field_reader& fields, std::vector<text::tool_definition>& out);

/// The definition inside a tool: name, description, parameters, strict.
void read_function(field_reader& function, text::tool_definition& out, const char* schema_key);

/// "tool_choice" and "parallel_tool_calls". @pre the tools are in `out`
void read_tool_choice(field_reader& fields, grammar::output_rules& out);

/// A tool of that name must be called.
void require_tool(field_reader& fields, const char* key, const std::string& name,
                  grammar::output_rules& out);

/// Arguments of a call in a past message: a JSON text, or an object. Returned as text.
[[nodiscard]] std::string read_arguments(field_reader& function, const char* key);

/// How much a model should think, in OpenAI's words.
void read_effort(field_reader& fields, const char* key, completion_request& out);

} // namespace larql::serve::openai
