// Shows an answer as it is made: its text on standard output, thoughts and whatever else a model
// writes on standard error. No tag of the model's format reaches either. On a terminal a line below
// says how far the prompt has been read, and what is waited for.
//
// Owner     One at a time, while an answer is written (answer_screen.hpp).

#pragma once

#include "cli/laptop/prompt_progress.hpp"
#include "cli/support/answer_screen.hpp"
#include "runtime/generate/generation.hpp"

#include <chrono>
#include <string>

namespace larql::cli {

struct view_options {
  bool quiet = false;         ///< neither thoughts nor progress
  bool hide_thoughts = false; ///< that the model thinks is said, and not what
  bool show_text = true;      ///< else text and thoughts are only remembered
};

class answer_view {
public:
  explicit answer_view(view_options o) : options_(o) {}

  void show(const generate::generation::step_result& step);
  void show(const text::output_event& e);
  /// So many tokens of the prompt have been read, of so many.
  void progress(std::size_t read, std::size_t total);
  /// Nothing has come for a moment. `waited_for` names a node, or is empty.
  void waiting(const std::string& waited_for);
  /// The end of the line.
  void finish();

  /// The text and the thoughts so far.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::string& thoughts() const noexcept { return thoughts_; }

private:
  using clock = std::chrono::steady_clock;

  void show_text(const std::string& piece);
  void show_thought(const std::string& piece);
  void show_call(const text::output_event& e);

  view_options options_;
  answer_screen screen_;
  std::optional<prompt_progress> progress_; ///< for what is no terminal
  clock::time_point last_ = clock::now();   ///< something came
  bool is_reading_ = false;
  std::string text_, thoughts_;
  std::string call_; // name and arguments of the call that is being written
};

} // namespace larql::cli
