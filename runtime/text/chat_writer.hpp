// Writes a chat as a prompt in parts, by the rules of a revision of the template.

#pragma once

#include "runtime/text/chat_template.hpp"
#include "runtime/text/prompt_parts.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace larql::text {

/// As chat_prompt, in parts in place of tokens.
struct written_chat {
  prompt_parts prompt;
  std::size_t system_end = 0;
  std::vector<std::size_t> turn_ends;
  bool in_thought = false;
};

[[nodiscard]] result<written_chat> write_chat(const chat_template& form,
                                              std::span<const chat_message> messages,
                                              const chat_options& options);

} // namespace larql::text
