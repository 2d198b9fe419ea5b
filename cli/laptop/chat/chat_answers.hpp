// Who answers the turns of a conversation: the model in this process, or a server.
//
// Blocking  answer() until the answer has ended, which is soon after `stop` is requested.
// Threads   One caller; events come in its thread.

#pragma once

#include "cli/laptop/chat/context_room.hpp"
#include "cli/laptop/chat/turn_numbers.hpp"
#include "cli/laptop/chat_model.hpp"
#include "runtime/text/chat_message.hpp"
#include "runtime/text/output_reader.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace larql::cli {

/// What is to be answered.
struct chat_turn {
  std::vector<text::chat_message> messages;
  bool goes_on = false; ///< the last message is the model's own, and it goes on behind it
};

/// What is heard of an answer.
struct turn_events {
  /// So many tokens of the prompt have been read, of so many.
  std::function<void(std::size_t read, std::size_t total)> on_read;
  std::function<void(const text::output_event&)> on_output;
  /// Called several times a second while nothing else comes; names the node that is waited for, or
  /// is empty.
  std::function<void(const std::string& waited_for)> on_wait;
};

struct turn_end {
  generate::end_reason reason = generate::end_reason::none;
  std::string text, thoughts; ///< what was added
  turn_numbers numbers;
  std::optional<failure> failed; ///< what came before it stays valid
  bool too_long = false;         ///< the prompt does not fit: nothing was answered
};

class chat_answers {
public:
  virtual ~chat_answers() = default;

  [[nodiscard]] virtual turn_end answer(const chat_turn& turn, const answer_flags& flags,
                                        const turn_events& events, const std::stop_token& stop) = 0;

  /// How long the prompt of a turn is; nothing if only answering tells.
  [[nodiscard]] virtual result<std::optional<prompt_size>> measure(const chat_turn& turn,
                                                                   const answer_flags& flags) = 0;
  /// Tokens; 0: unknown.
  [[nodiscard]] virtual std::size_t context() const = 0;

  /// "gemma4", for the first line.
  [[nodiscard]] virtual std::string model() const = 0;
  /// For /nodes, with line ends.
  [[nodiscard]] virtual std::string nodes_text() = 0;
  /// For /stats, on standard error.
  virtual void say_stats() const = 0;
  /// The conversation is another one from now on.
  virtual void forget() = 0;

  /// Keeps in a file what was computed of these messages. Tokens that it holds; nothing if that is
  /// not to be had.
  [[nodiscard]] virtual result<std::optional<std::size_t>>
  save(const std::vector<text::chat_message>& messages, const answer_flags& flags,
       const std::filesystem::path& file) = 0;
  [[nodiscard]] virtual result<std::optional<std::size_t>>
  load(const std::filesystem::path& file) = 0;
};

} // namespace larql::cli
