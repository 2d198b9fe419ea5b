#include "cli/laptop/answer_view.hpp"

#include "cli/support/output.hpp"

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

// A pause that a person notices.
constexpr auto noticed = 1s;

} // namespace

void answer_view::show(const generate::generation::step_result& step) {
  last_ = clock::now();
  is_reading_ = false;
  if (step.events.empty()) // nobody told thoughts and text apart
    return show_text(step.text);
  for (const auto& e : step.events)
    show(e);
}

void answer_view::show(const text::output_event& e) {
  last_ = clock::now();
  is_reading_ = false;
  switch (e.what) {
  case text::output_event::kind::content: return show_text(e.text);
  case text::output_event::kind::thought: return show_thought(e.text);
  case text::output_event::kind::call_begin:
  case text::output_event::kind::call_arguments:
  case text::output_event::kind::call_end: return show_call(e);
  }
}

void answer_view::progress(std::size_t read, std::size_t total) {
  last_ = clock::now();
  is_reading_ = read < total;
  if (options_.quiet)
    return;
  if (screen_.shows_status())
    return screen_.status(
        is_reading_ ? fmt::format("reading the prompt: {} of {} tokens", read, total) : "");
  if (!progress_)
    progress_.emplace(total, clock::now());
  say_progress(*progress_, static_cast<std::uint32_t>(read));
}

void answer_view::waiting(const std::string& waited_for) {
  if (options_.quiet || clock::now() - last_ < noticed)
    return;
  if (!waited_for.empty())
    screen_.status(one_line(fmt::format("waiting for {}", waited_for)));
  else if (!is_reading_) // else the progress stands there
    screen_.status("waiting for the next token");
}

void answer_view::finish() {
  if (options_.show_text)
    screen_.end_line();
  else
    screen_.status("");
}

void answer_view::show_text(const std::string& piece) {
  text_ += piece;
  if (options_.show_text)
    screen_.text(piece);
  else
    screen_.status("");
}

void answer_view::show_thought(const std::string& piece) {
  thoughts_ += piece;
  if (options_.quiet || !options_.show_text)
    return;
  if (options_.hide_thoughts)
    screen_.status("the model thinks");
  else
    screen_.thought(piece);
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
