// What a line typed in a conversation means: a message, or a command with its argument.
//
// A line is a command if its first word is one. A single word that begins with "/" and is none is
// an error, which says what may have been meant. All else is a message, "/etc/hosts: what is this?"
// too; """ around it makes a message of anything.
//
// Threads   Pure functions.

#pragma once

#include "cli/support/message_lines.hpp"

#include <string>
#include <string_view>
#include <variant>

namespace larql::cli {

enum class chat_command {
  retry,
  undo,
  go_on,
  clear,
  system,
  set,
  think,
  edit,
  read,
  save,
  load,
  stats,
  nodes,
  help,
  quit
};

/// A message of the user.
struct chat_words {
  std::string text;
  friend bool operator==(const chat_words&, const chat_words&) = default;
};
struct chat_order {
  chat_command what = chat_command::help;
  std::string argument; ///< without white space around it
  friend bool operator==(const chat_order&, const chat_order&) = default;
};
/// What is wrong with a line that is neither.
struct chat_mistake {
  std::string text;
  friend bool operator==(const chat_mistake&, const chat_mistake&) = default;
};
/// Nothing but white space.
struct chat_nothing {
  friend bool operator==(const chat_nothing&, const chat_nothing&) = default;
};
using chat_line = std::variant<chat_nothing, chat_words, chat_order, chat_mistake>;

[[nodiscard]] chat_line read_chat_line(const typed_message& line);

/// What /help prints.
[[nodiscard]] std::string chat_help();

} // namespace larql::cli
