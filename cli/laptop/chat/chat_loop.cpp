#include "cli/laptop/chat/chat_loop.hpp"

#include "cli/laptop/answer_view.hpp"
#include "cli/laptop/chat/chat_settings.hpp"
#include "cli/laptop/chat/context_room.hpp"
#include "cli/support/command.hpp"

#include <cstdlib>

namespace larql::cli {

int chat_loop::run() {
  if (lines_.is_terminal())
    print("{}; /help shows the commands\n", answers_.model());
  while (const auto line = lines_.next("> ")) {
    if (signals_.terminated())
      break;
    signals_.renew();
    const auto meant = read_chat_line(*line);
    if (const auto* words = std::get_if<chat_words>(&meant))
      take(*words);
    else if (const auto* wrong = std::get_if<chat_mistake>(&meant))
      note(fail(errc::usage, "{}", wrong->text));
    else if (const auto* order = std::get_if<chat_order>(&meant))
      if (obey(*order) == next::leave)
        break;
    if (signals_.terminated())
      break;
    signals_.renew();
  }
  return lines_.is_terminal() || failures_ == 0 ? exit_ok : exit_failure;
}

void chat_loop::tell(const std::string& text) const {
  if (!flags_.quiet)
    report_line("{}", text);
}

void chat_loop::note(const result<void>& done) {
  if (done)
    return;
  ++failures_;
  report(done.error());
}

void chat_loop::take(const chat_words& words) {
  talk_.ask(files_.empty() ? words.text : files_ + "\n\n" + words.text);
  files_.clear();
  answer(false);
}

// ---- answers ------------------------------------------------------------------------------------

void chat_loop::leave_out(std::size_t turns) {
  talk_.leave_out(turns);
  answers_.forget(); // an answer that goes on does so behind its text
}

void chat_loop::say_left_out(std::size_t turns) const {
  report_line("The context{} is full: the oldest {} are left out from now on.",
              answers_.context() == 0 ? "" : fmt::format(" of {} tokens", answers_.context()),
              turns == 1 ? "question and its answer"
                         : fmt::format("{} questions and their answers", turns));
}

result<void> chat_loop::make_room(bool goes_on) {
  LARQL_TRY(auto size, answers_.measure({talk_.to_read(), goes_on}, flags_));
  if (!size)
    return {};
  if (const auto turns = turns_to_leave_out(*size, flags_.max_tokens, talk_.removable_turns())) {
    leave_out(turns);
    say_left_out(turns);
    LARQL_TRY(size, answers_.measure({talk_.to_read(), goes_on}, flags_));
  }
  if (size && size->total >= size->context)
    return fail(errc::usage,
                "the conversation has {} tokens and fills the context of {}: /undo, /clear, or "
                "start with a larger --context",
                size->total, size->context);
  return {};
}

void chat_loop::answer(bool goes_on) {
  if (const auto room = make_room(goes_on); !room)
    return note(room);
  auto end = turn_end{};
  const auto whole = talk_;
  auto left_out = std::size_t{0};
  for (;;) {
    auto view = answer_view{{flags_.quiet, hide_thoughts_}};
    const auto events =
        turn_events{[&](std::size_t read, std::size_t total) { view.progress(read, total); },
                    [&](const text::output_event& e) { view.show(e); },
                    [&](const std::string& waited_for) { view.waiting(waited_for); }};
    end = answers_.answer({talk_.to_read(), goes_on}, flags_, events, signals_.token());
    if (end.too_long && talk_.removable_turns() != 0) {
      leave_out(1);
      ++left_out;
      continue;
    }
    if (!end.too_long)
      view.finish();
    break;
  }
  if (end.too_long)
    talk_ = whole; // a question that does not fit by itself costs no turn
  else if (left_out != 0)
    say_left_out(left_out);
  settle(end, goes_on);
}

void chat_loop::settle(const turn_end& end, bool goes_on) {
  const auto cut = is_cut(end.reason);
  if (!end.failed && goes_on)
    talk_.go_on(end.text, end.thoughts, cut);
  else if (!end.failed)
    talk_.answer(end.text, end.thoughts, cut);
  if (end.failed) {
    ++failures_;
    report(*end.failed);
    const auto fits = !end.too_long && end.failed->code != errc::usage;
    if (fits) // what does not fit does not fit the next time either
      report_line("The conversation goes on; /retry asks again.");
    return;
  }
  if (flags_.quiet)
    return;
  report_line("({})", timing_text(end.numbers));
  if (const auto why = cut_text(end.reason, end.numbers.tokens, answers_.context()); !why.empty())
    report_line("({})", why);
}

// ---- commands -----------------------------------------------------------------------------------

chat_loop::next chat_loop::obey(const chat_order& order) {
  switch (order.what) {
  case chat_command::quit: return next::leave;
  case chat_command::help: print_text(chat_help()); break;
  case chat_command::nodes: print_text(answers_.nodes_text()); break;
  case chat_command::stats: answers_.say_stats(); break;
  case chat_command::undo: undo(); break;
  case chat_command::retry:
    if (talk_.retry())
      answer(false);
    else
      note(fail(errc::usage, "there is nothing to ask again"));
    break;
  case chat_command::go_on:
    if (talk_.can_go_on())
      answer(true);
    else
      note(fail(errc::usage, "there is no answer that was cut"));
    break;
  case chat_command::clear: begin_anew(std::string{talk_.system()}); break;
  case chat_command::system: begin_anew(order.argument); break;
  case chat_command::set:
  case chat_command::think: obey_settings(order); break;
  case chat_command::edit:
  case chat_command::read:
  case chat_command::save:
  case chat_command::load: obey_files(order); break;
  }
  return next::go_on;
}

void chat_loop::begin_anew(const std::string& system) {
  talk_.begin(system);
  answers_.forget();
  files_.clear();
  tell("A new conversation begins.");
}

// The question can be changed and asked again.
void chat_loop::undo() {
  auto question = talk_.undo();
  if (!question)
    return note(fail(errc::usage, "there is nothing to take back"));
  answers_.forget();
  tell("The last question and its answer are taken back.");
  lines_.suggest(*std::move(question));
}

void chat_loop::obey_settings(const chat_order& order) {
  if (order.what == chat_command::think)
    return think(order.argument);
  if (order.argument.empty())
    return print_text(settings_text(flags_));
  const auto blank = order.argument.find_first_of(" \t=");
  const auto name = order.argument.substr(0, blank);
  const auto value = blank == std::string::npos ? std::string{} : order.argument.substr(blank + 1);
  const auto first = value.find_first_not_of(" \t");
  note(set_option(flags_, name, first == std::string::npos ? "" : value.substr(first)));
}

void chat_loop::think(const std::string& how) {
  if (how != "on" && how != "off" && how != "hidden")
    return note(fail(errc::usage, "/think is {}; on, off or hidden changes it",
                     !flags_.thinking ? "off"
                     : hide_thoughts_ ? "hidden"
                                      : "on"));
  flags_.thinking = how != "off";
  hide_thoughts_ = how == "hidden";
}

} // namespace larql::cli
