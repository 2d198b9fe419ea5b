// What a request wants of the form of its output: JSON, calls of tools, a budget of thoughts.

#pragma once

#include "runtime/text/chat_message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace larql::grammar {

enum class content_form : std::uint8_t {
  text,       ///< anything
  json_object ///< one JSON object, which follows `schema` if there is one
};

enum class tool_choice : std::uint8_t {
  automatic, ///< the model decides
  none,      ///< no call
  required   ///< at least one call, of `only_tool` if that is set
};

struct output_rules {
  content_form form = content_form::text;
  /// JSON schema as text, in its own order; empty: any object. Its value need not be an object.
  std::string schema{};

  std::vector<text::tool_definition> tools{}; ///< that were offered
  tool_choice choice = tool_choice::automatic;
  std::string only_tool{};    ///< name of the tool that must be called
  bool parallel_calls = true; ///< more than one call in an answer

  bool thinking = false;   ///< the model may think first
  bool in_thought = false; ///< the prompt has opened a thought (chat_prompt::in_thought)
  /// Most tokens of thoughts; then the channel is closed.
  std::optional<std::size_t> thought_budget{};

  friend bool operator==(const output_rules&, const output_rules&) = default;
};

} // namespace larql::grammar
