// A conversation on a terminal or over a pipe: lines in, answers out, until the user leaves. What
// fails is one answer, never the conversation.
//
// Blocking  run() until the end.
// Owner     Borrows everything.

#pragma once

#include "cli/laptop/chat/chat_answers.hpp"
#include "cli/laptop/chat/commands.hpp"
#include "cli/laptop/chat/conversation.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/line_reader.hpp"

#include <string>

namespace larql::cli {

class chat_loop {
public:
  chat_loop(chat_answers& answers, answer_flags flags, interrupt_scope& signals, line_reader& lines)
      : answers_(answers),
        flags_(std::move(flags)),
        signals_(signals),
        lines_(lines),
        talk_(flags_.system) {}

  /// The exit code: a script hears of lines that failed, a person has seen it.
  [[nodiscard]] int run();

private:
  enum class next { go_on, leave };

  void take(const chat_words& words);
  next obey(const chat_order& order);
  void obey_settings(const chat_order& order);
  void obey_files(const chat_order& order);

  void answer(bool goes_on);
  [[nodiscard]] result<void> make_room(bool goes_on);
  void leave_out(std::size_t turns);
  void say_left_out(std::size_t turns) const;
  void settle(const turn_end& end, bool goes_on);
  void think(const std::string& how);
  [[nodiscard]] result<void> read(const std::string& file);
  [[nodiscard]] result<void> save(const std::string& file);
  [[nodiscard]] result<void> load(const std::string& file);
  [[nodiscard]] result<void> edit(const std::string& begin);
  void undo();
  void note(const result<void>& done);
  void begin_anew(const std::string& system);
  /// A line for people; not with --quiet.
  void tell(const std::string& text) const;

  chat_answers& answers_;
  answer_flags flags_;
  interrupt_scope& signals_;
  line_reader& lines_;
  conversation talk_;
  bool hide_thoughts_ = false;
  std::string files_; ///< that /read has read, for the next message
  int failures_ = 0;
};

} // namespace larql::cli
