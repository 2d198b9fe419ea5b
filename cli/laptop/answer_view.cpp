#include "cli/laptop/answer_view.hpp"

#include "cli/support/output.hpp"

namespace larql::cli {

void answer_view::show(const generate::generation::step_result& step) {
  if (step.events.empty()) // nobody told thoughts and text apart
    return show_text(step.text);
  for (const auto& e : step.events)
    switch (e.what) {
    case text::output_event::kind::content: show_text(e.text); break;
    case text::output_event::kind::thought: show_thought(e.text); break;
    case text::output_event::kind::call_begin:
    case text::output_event::kind::call_arguments:
    case text::output_event::kind::call_end: show_call(e); break;
    }
}

void answer_view::keep(const generate::generation::step_result& step) {
  text_ += step.text;
  for (const auto& e : step.events)
    if (e.what == text::output_event::kind::thought)
      thoughts_ += e.text;
}

void answer_view::finish(const generate::generation::step_result& rest) {
  show(rest);
  if (in_thought_ && !quiet_)
    say_text(filter_.flush() + "\n");
  printer_.finish({});
}

void answer_view::show_text(const std::string& piece) {
  if (piece.empty())
    return;
  if (std::exchange(in_thought_, false) && !quiet_)
    say_text(filter_.flush() + "\n\n");
  text_ += piece;
  printer_.print(piece);
}

void answer_view::show_thought(const std::string& piece) {
  thoughts_ += piece;
  if (quiet_)
    return;
  in_thought_ = true;
  say_text(filter_.append(piece));
}

// A model may call tools although it was offered none.
void answer_view::show_call(const text::output_event& e) {
  if (e.what == text::output_event::kind::call_begin)
    call_ = e.text + " ";
  else if (e.what == text::output_event::kind::call_arguments)
    call_ += e.text;
  else
    say("the model calls a tool, and there is none: {}", call_);
}

} // namespace larql::cli
