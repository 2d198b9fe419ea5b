// What is asked of the model, whichever protocol it came by. Each protocol's reader makes one of
// these, and whatever answers it knows no protocol.
//
// Threads   Plain values.

#pragma once

#include "cli/serve/api/json_body.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace larql::serve {

enum class message_role : std::uint8_t { system, user, assistant, tool };

/// A call of a tool by the model, in a past message or in an answer.
struct tool_call {
  std::string id;
  std::string name;
  ordered_json arguments; ///< an object; a string where a client sent back what is no JSON object
};

struct chat_message {
  message_role role = message_role::user;
  std::string content;          ///< all text parts, one after the other
  std::string reasoning = {};   ///< of the assistant
  std::vector<tool_call> calls = {}; ///< of the assistant
  std::string call_id = {};     ///< of a tool's result: the call it answers; may be empty
  std::string tool_name = {};   ///< of a tool's result; may be empty
  ordered_json result = {};     ///< of a tool's result that was sent as an object; else null
};

struct tool_definition {
  std::string name;
  std::string description = {};
  ordered_json parameters = {}; ///< a JSON schema; null: no parameters
  bool strict = false;
};

struct tool_choice {
  enum class mode : std::uint8_t {
    automatic, ///< the model decides
    none,
    required, ///< at least one call of any tool
    named     ///< a call of `name`
  };
  mode how = mode::automatic;
  std::string name = {};
};

struct output_format {
  enum class kind : std::uint8_t { text, json_object, json_schema };
  kind what = kind::text;
  ordered_json schema = {}; ///< of json_schema
};

struct thinking_choice {
  std::optional<bool> enabled; ///< absent: the server's default
  std::optional<std::uint32_t> budget_tokens;
};

/// Absent: the model's default.
struct sampling_request {
  std::optional<float> temperature, top_p, min_p;
  std::optional<std::uint32_t> top_k; ///< 0: all
  std::optional<float> repetition_penalty, presence_penalty, frequency_penalty;
  std::optional<std::uint64_t> seed; ///< absent: one is drawn, and told
  std::vector<std::pair<std::uint32_t, float>> bias;
};

/// A prompt that is not a conversation: text, or token ids.
struct raw_prompt {
  std::string text;
  std::vector<std::uint32_t> tokens = {}; ///< used if not empty
};

struct completion_request {
  std::vector<chat_message> messages;
  std::vector<raw_prompt> prompts; ///< instead of messages, if not empty; each has its own answers
  std::vector<tool_definition> tools;
  tool_choice choose_tool;
  bool parallel_tool_calls = true;
  output_format format;
  thinking_choice thinking;
  sampling_request sampling;
  std::optional<std::uint32_t> max_tokens; ///< absent: as many as the context holds
  std::vector<std::string> stops;
  std::uint32_t choices = 1; ///< answers for each prompt
  bool logprobs = false;
  std::uint32_t top_logprobs = 0; ///< the most likely tokens beside each chosen one
  /// Who asks: the identity of an API key, empty if there are no keys. Set by the server.
  std::string client;
};

} // namespace larql::serve
