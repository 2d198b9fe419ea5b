// Shows an answer as it is made: its text on standard output, thoughts and whatever else a model
// writes on standard error. No tag of the model's format reaches either.

#pragma once

#include "cli/laptop/answer_printer.hpp"
#include "runtime/generate/generation.hpp"

#include <string>

namespace larql::cli {

class answer_view {
public:
  /// `quiet`: thoughts are not shown.
  explicit answer_view(bool quiet) : quiet_(quiet) {}

  void show(const generate::generation::step_result& step);
  /// Remembers it, and shows nothing: somebody else does.
  void keep(const generate::generation::step_result& step);
  /// The last piece, and the end of the line.
  void finish(const generate::generation::step_result& rest);

  /// The text and the thoughts so far, for the conversation that goes on.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::string& thoughts() const noexcept { return thoughts_; }

private:
  void show_text(const std::string& piece);
  void show_thought(const std::string& piece);
  void show_call(const text::output_event& e);

  bool quiet_;
  answer_printer printer_;
  text::terminal_text filter_; // of thoughts
  bool in_thought_ = false;
  std::string text_, thoughts_;
  std::string call_; // name and arguments of the call that is being written
};

} // namespace larql::cli
