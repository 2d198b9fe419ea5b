// A conversation as a file: JSON, which its owner alone may read. What the model has computed of it
// lies beside, in FILE.kv, and can be made again from the text.
//
// Format    {"format": "larql-conversation", "version": 1, "system": …, "left_out": …, "cut": …,
//           "turns": [{"role": "user" | "model", "content": …, "thoughts": …}]}
//           Never change: another format gets another version.
// Errors    Name the file and the field. A file that is no conversation is never replaced.

#pragma once

#include "cli/laptop/chat/conversation.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace larql::cli {

[[nodiscard]] std::string conversation_text(const conversation& c);
/// `name` stands for the file in messages.
[[nodiscard]] result<conversation> parse_conversation(std::string_view text, std::string_view name);

/// Replaces a conversation that has the name.
[[nodiscard]] result<void> save_conversation(const conversation& c,
                                             const std::filesystem::path& file);
[[nodiscard]] result<conversation> load_conversation(const std::filesystem::path& file);

/// Where what was computed of a saved conversation lies.
[[nodiscard]] std::filesystem::path cache_file_of(const std::filesystem::path& file);

} // namespace larql::cli
