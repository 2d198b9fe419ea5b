// larql chat: a conversation, in a session of the session service. What fails is one answer, never
// the conversation: its messages and the KV cache stay, and /retry goes on from there.

#include "cli/laptop/answer_view.hpp"
#include "cli/laptop/chat_model.hpp"
#include "cli/laptop/prompt_progress.hpp"
#include "cli/laptop/report.hpp"
#include "cli/laptop/session_answer.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/line_reader.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/log.hpp"
#include "runtime/text/utf8_stream.hpp"

#include <algorithm>
#include <cstdlib>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

struct options {
  runtime_options runtime;
  answer_flags answer;
  bool no_history = false;
};

constexpr std::string_view help_text =
    "  /retry          ask for the last answer again\n"
    "  /reset          forget the conversation\n"
    "  /system TEXT    another system message, and a new conversation\n"
    "  /stats          numbers of the last answer\n"
    "  /nodes          who has which experts now\n"
    "  /help           this\n"
    "  /quit, /exit    or Ctrl-D: leave\n"
    "  A line that ends in \\ goes on in the next. Ctrl-C ends an answer.\n";

// $XDG_STATE_HOME/larql/chat_history
fs::path history_file() {
  const auto* state = std::getenv("XDG_STATE_HOME");
  const auto* home = std::getenv("HOME");
  if (state != nullptr && *state != '\0')
    return fs::path{state} / "larql" / "chat_history";
  return home == nullptr ? fs::path{} : fs::path{home} / ".local/state/larql/chat_history";
}

class conversation {
public:
  conversation(const actors::session_service& service, actors::session_id session,
               const text_assets& text, const text::chat_template& format,
               const answer_flags& flags, const generate::sampling_options& sampling,
               const interrupt_scope& signals)
      : service_(service),
        session_(session),
        text_(text),
        format_(format),
        flags_(flags),
        sampling_(sampling),
        signals_(signals) {
    reset(flags.system);
  }

  void reset(const std::string& system) {
    system_ = system;
    messages_.clear();
    if (!system.empty())
      messages_.push_back({text::chat_role::system, system});
  }
  void reset() { reset(std::string{system_}); }

  result<void> say(const std::string& words) {
    if (!messages_.empty() && messages_.back().role == text::chat_role::user)
      messages_.pop_back(); // it failed, and the user did not retry it
    messages_.push_back({text::chat_role::user, words});
    return answer();
  }

  result<void> retry() {
    if (!messages_.empty() && messages_.back().role == text::chat_role::model)
      messages_.pop_back();
    if (messages_.empty() || messages_.back().role != text::chat_role::user)
      return fail(errc::usage, "there is nothing to ask again");
    return answer();
  }

  void print_stats() const { print_report(stats_); }
  void print_speed() const { report_line("({})", speed_text(stats_)); }

private:
  result<void> answer();
  [[nodiscard]] actors::session_request request_of(const text::chat_prompt& prompt) const;

  const actors::session_service& service_;
  actors::session_id session_;
  std::vector<std::uint32_t> held_; // tokens that the session has
  const text_assets& text_;
  text::chat_template format_;
  const answer_flags& flags_;
  generate::sampling_options sampling_;
  std::string system_;
  std::vector<text::chat_message> messages_;
  generate::answer_stats stats_;
  const interrupt_scope& signals_;
};

// The session goes back to what it has in common with the prompt. Later turns may go on from the
// end of the system's turn and of each other one: a past answer is rendered without the thoughts
// that the prompt invites, which parts the next prompt from this one a few tokens before its end; a
// boundary reaches back that far.
actors::session_request conversation::request_of(const text::chat_prompt& prompt) const {
  const auto common =
      std::mismatch(held_.begin(), held_.end(), prompt.tokens.begin(), prompt.tokens.end()).first -
      held_.begin();
  auto out = actors::session_request{};
  out.session = session_;
  out.keep = static_cast<std::uint32_t>(common);
  out.tokens.assign(prompt.tokens.begin() + common, prompt.tokens.end());
  out.hints.system_end = static_cast<std::uint32_t>(prompt.system_end);
  for (const auto end : prompt.turn_ends)
    out.hints.turn_ends.push_back(static_cast<std::uint32_t>(end));
  const auto& stop = text_.defaults.stop;
  auto options = generate::generation_options{};
  options.sampling = sampling_;
  options.max_tokens = flags_.max_tokens;
  options.stop_tokens = {stop.begin(), stop.end()};
  out.answers.emplace_back(std::move(options),
                           text::output_reader{text_.tokens, prompt.in_thought});
  return out;
}

result<void> conversation::answer() {
  LARQL_TRY(auto prompt, format_.render_prompt(messages_, {flags_.thinking, true}, text_.tokens));
  const auto context = service_.options().limits.context;
  if (prompt.tokens.size() >= context)
    return fail(errc::usage,
                "the conversation has {} tokens and fills the context of {}: /reset, or start with "
                "a larger --context",
                prompt.tokens.size(), context);
  auto request = request_of(prompt);
  auto view = answer_view{flags_.quiet};
  auto special = text::utf8_stream{text_.tokens, text::special_tokens::keep};
  auto printer = answer_printer{};
  auto given = std::vector<std::uint32_t>{};
  auto progress = prompt_progress{prompt.tokens.size(), prompt_progress::clock::now()};
  const auto outcome = ask(
      service_.client(), std::move(request),
      [&](const generate::generation::step_result& step) {
        given.insert(given.end(), step.tokens.begin(), step.tokens.end());
        if (!flags_.show_special)
          return view.show(step);
        view.keep(step);
        for (const auto token : step.tokens)
          printer.print(special.append(token));
      },
      [&](std::uint32_t read) {
        if (!flags_.quiet)
          say_progress(progress, read);
      },
      signals_.token());
  if (!outcome.refused) {
    held_ = std::move(prompt.tokens);
    held_.insert(held_.end(), given.begin(), given.end());
    stats_ = outcome.end.stats;
  }
  if (flags_.show_special) {
    view.keep(outcome.end.rest);
    printer.finish(special.flush());
  } else {
    view.finish(outcome.end.rest);
  }
  LARQL_TRY_VOID(outcome.done());
  if (!given.empty()) {
    auto said = text::chat_message{text::chat_role::model, view.text()};
    said.reasoning = view.thoughts();
    messages_.push_back(std::move(said));
  }
  return {};
}

// "12 s ago", and by what if there is no table of known answers.
std::string last_good_check(const actors::cluster& nodes, const actors::cluster_member& m) {
  const auto when = nodes.makers()->right_until(m.description->incarnation);
  if (when == experts::maker_ledger::time{})
    return "none yet";
  const auto ago = std::chrono::duration<double>(std::chrono::steady_clock::now() - when).count();
  return fmt::format("{:.0f} s ago{}", ago, nodes.has_known_answers() ? "" : ", by first answers");
}

void print_nodes(const local_runtime& e) {
  if (e.nodes() == nullptr)
    return print_text("all experts are on this machine\n");
  const auto status = e.nodes()->status();
  auto t = table{{"NODE", "ADDRESS", "STATE", "EXPERTS", "LAYERS", "LAST GOOD CHECK"}};
  for (const auto& m : status->view->members)
    t.add({m.description->node, m.address, name_of(m.state),
           to_string(m.description->owned.experts), to_string(m.description->owned.layers),
           last_good_check(*e.nodes(), m)});
  for (const auto& a : status->view->missing)
    t.add({a.name, a.address, "away", to_string(a.owned.experts), to_string(a.owned.layers), "",
           a.why});
  print_text(t.text());
}

// One answer, or why there is none.
bool settle(const result<void>& done, const conversation& talk, bool quiet) {
  if (!done) {
    report(done.error());
    if (done.error().code != errc::usage) // what does not fit does not fit the next time either
      report_line("The conversation goes on; /retry asks again.");
  } else if (!quiet) {
    talk.print_speed();
  }
  return static_cast<bool>(done);
}

// False when the user leaves.
bool obey(const std::string& line, conversation& talk, const local_runtime& e, bool quiet) {
  const auto blank = line.find(' ');
  const auto word = line.substr(0, blank);
  const auto rest = blank == std::string::npos ? std::string{} : line.substr(blank + 1);
  if (word == "/quit" || word == "/exit")
    return false;
  if (word == "/retry") {
    settle(talk.retry(), talk, quiet);
  } else if (word == "/reset" || word == "/system") {
    word == "/reset" ? talk.reset() : talk.reset(rest);
    if (!quiet)
      report_line("A new conversation begins.");
  } else if (word == "/stats") {
    talk.print_stats();
  } else if (word == "/nodes") {
    print_nodes(e);
  } else {
    print_text(help_text);
  }
  return true;
}

result<int> chat(options o) {
  LARQL_TRY_VOID(complete(o.runtime));
  auto signals = interrupt_scope{};
  LARQL_TRY(const auto model, start_model(o.runtime, o.answer.chat_format, signals.token()));
  const auto& [text, e] = model;
  LARQL_TRY(const auto sampling, text.sampling(o.answer));
  LARQL_TRY(const auto format, text.require_format());
  if (!o.answer.quiet)
    for (const auto& note : text.notes)
      say("{}", note);
  if (o.answer.verbose)
    say_what_is_in_force(text, o.answer, sampling, false);
  auto limits = actors::session_options{};
  limits.limits.cache_bytes = 0; // the session keeps what the next turn needs
  LARQL_TRY(const auto service, e->start_sessions(std::move(limits)));
  const auto session = service->client().open("");
  if (session.refused)
    return session.refused->error;
  auto talk = conversation{*service, session.id, text, format, o.answer, sampling, signals};
  auto lines = line_reader{o.no_history ? fs::path{} : history_file(), signals};
  if (lines.is_terminal())
    print("{}; /help shows the commands\n", e->model().config.model);
  auto failures = 0;
  while (const auto line = lines.next("> ")) {
    if (signals.terminated())
      break;
    signals.renew();
    if (line->find_first_not_of(" \t\n") == std::string::npos)
      continue;
    if (line->front() != '/')
      failures += settle(talk.say(*line), talk, o.answer.quiet) ? 0 : 1;
    else if (!obey(*line, talk, *e, o.answer.quiet))
      break;
    if (signals.terminated())
      break;
    signals.renew();
  }
  // A user has seen what failed; a script has not.
  return lines.is_terminal() || failures == 0 ? exit_ok : exit_failure;
}

} // namespace

void add_chat(command_parser& app, action& chosen) {
  auto command = app.add_command("chat", "Talk with the model");
  auto o = std::make_shared<options>();
  o->answer.max_tokens = 1024;
  add_runtime_options(command, o->runtime);
  add_speculation_options(command, o->runtime.speculation);
  add_answer_options(command, o->answer);
  command.add_flag("--no-history", o->no_history, "Do not remember what was typed");
  command.footer("larql chat gemma4.vindex\n"
                 "larql chat --topology cluster.toml --system \"Answer in one sentence.\"\n\n"
                 "/help in the conversation shows its commands.");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(chat(*o)); }; });
}

} // namespace larql::cli
