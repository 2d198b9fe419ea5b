// What is asked of the model, whichever protocol it came by. Each protocol's reader makes one of
// these, and whatever answers it knows no protocol.
//
// Threads   Plain values.

#pragma once

#include "runtime/grammar/output_rules.hpp"
#include "runtime/text/chat_message.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace larql::serve {

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
  std::vector<text::chat_message> messages;
  std::vector<raw_prompt> prompts; ///< instead of messages, if not empty; each has its own answers
  /// Tools, their choice, the form of the content, the budget of thoughts. Whether the model thinks
  /// is in `thinking`.
  grammar::output_rules rules;
  std::optional<bool> thinking; ///< absent: the server's default
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
