// A chat as the APIs speak of it: messages, tools that may be called, and calls of them.
//
// JSON travels as text here, because schemas keep the order of their properties and most front ends
// hold it as text anyway.
//
// Threads   Plain values.

#pragma once

#include "runtime/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

enum class chat_role : unsigned char { system, user, model, tool };

/// system and developer, user, assistant and model, tool.
[[nodiscard]] result<chat_role> parse_chat_role(std::string_view name);

/// A function that the model may call.
struct tool_definition {
  std::string name; ///< 1 to 128 letters, digits, and any of "_-.:/"
  std::string description{};
  std::string
      parameters{};    ///< JSON schema of an object, as text; empty: no parameters are declared
  bool strict = false; ///< arguments must follow the schema

  friend bool operator==(const tool_definition&, const tool_definition&) = default;
};

/// Refuses names that the format cannot hold, names that come twice, and parameters that are not
/// JSON objects: errc::usage, naming the tool.
[[nodiscard]] result<void> check_tools(const std::vector<tool_definition>& tools);

/// A call that the model made.
struct tool_call {
  std::string id{}; ///< what a result refers to
  std::string name;
  std::string arguments{}; ///< a JSON object as text; empty: {}

  friend bool operator==(const tool_call&, const tool_call&) = default;
};

struct chat_message {
  chat_role role;
  /// Trimmed when rendered; of the model: thoughts inside it are left out.
  std::string content{};
  /// If not empty, stands in place of content: text that came in parts, of which each is trimmed.
  std::vector<std::string> parts{};

  // Of the model.
  std::string
      reasoning{}; ///< its thoughts; only those of a loop of tool calls that goes on are used
  std::vector<tool_call> tool_calls{};

  // Of a tool: the result of a call.
  std::string tool_call_id{};   ///< of one of the calls of the message of the model before it
  std::string tool_name{};      ///< where no call has that id
  bool content_is_json = false; ///< content is a JSON value as text, not a text
};

} // namespace larql::text
