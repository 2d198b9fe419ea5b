// The messages of a conversation, and what is done with them: asked, taken back, asked again,
// continued, left out. What the model has computed of them is somebody else's (chat_answers.hpp).
//
// Threads   Plain values.

#pragma once

#include "runtime/text/chat_message.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace larql::cli {

class conversation {
public:
  explicit conversation(std::string system = {}) : system_(std::move(system)) {}

  /// Forgets all turns; the system message stays.
  void clear();
  /// A new conversation.
  void begin(std::string system);

  /// A question, in the place of one that was not answered.
  void ask(std::string words);
  /// Takes the last answer away, so that its question is asked again. False: there is no question.
  [[nodiscard]] bool retry();
  /// Takes the last question and its answer back. The question; nothing if there is none.
  [[nodiscard]] std::optional<std::string> undo();

  /// What the model said to the last question. An empty answer without thoughts leaves the question
  /// unanswered. `cut`: it has not ended by itself.
  void answer(std::string text, std::string thoughts, bool cut);
  /// What the model said behind its last answer, which it went on with.
  void go_on(const std::string& text, const std::string& thoughts, bool cut);

  /// The last message is an answer that was cut.
  [[nodiscard]] bool can_go_on() const noexcept { return cut_ && is_answered(); }
  [[nodiscard]] bool is_answered() const noexcept;
  /// Nothing was asked.
  [[nodiscard]] bool is_empty() const noexcept { return turns_.empty(); }

  /// What the model is to read: the system message and the turns that are not left out.
  [[nodiscard]] std::vector<text::chat_message> to_read() const;
  /// Turns, a question and its answer each, that can be left out: all but the last.
  [[nodiscard]] std::size_t removable_turns() const noexcept;
  /// Leaves the oldest turns out of what the model reads.
  void leave_out(std::size_t turns);

  [[nodiscard]] const std::string& system() const noexcept { return system_; }
  /// All of them, left out or not; questions and answers take turns.
  [[nodiscard]] const std::vector<text::chat_message>& turns() const noexcept { return turns_; }
  [[nodiscard]] std::size_t left_out() const noexcept { return left_out_; }
  [[nodiscard]] bool is_cut() const noexcept { return cut_; }

  friend bool operator==(const conversation& a, const conversation& b);

private:
  std::string system_;
  std::vector<text::chat_message> turns_;
  std::size_t left_out_ = 0; // messages
  bool cut_ = false;
};

} // namespace larql::cli
