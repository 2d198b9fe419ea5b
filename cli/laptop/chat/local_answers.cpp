#include "cli/laptop/chat/local_answers.hpp"

#include "cli/laptop/chat/waiting_text.hpp"
#include "cli/laptop/prompt_identity.hpp"
#include "cli/laptop/report.hpp"
#include "cli/support/table.hpp"

#include <algorithm>
#include <utility>

namespace larql::cli {

namespace {

// "12 s ago", and by what if there is no table of known answers.
std::string last_good_check(const actors::cluster& nodes, const actors::cluster_member& m) {
  const auto when = nodes.makers()->right_until(m.description->incarnation);
  if (when == experts::maker_ledger::time{})
    return "none yet";
  const auto ago = std::chrono::duration<double>(std::chrono::steady_clock::now() - when).count();
  return fmt::format("{:.0f} s ago{}", ago, nodes.has_known_answers() ? "" : ", by first answers");
}

// Tokens at the end whose bytes are the beginning of a character only.
std::size_t unfinished_tokens(const text::tokenizer& tokens,
                              const std::vector<std::uint32_t>& given) {
  constexpr std::size_t most = 3; // a character has at most four bytes
  for (auto n = std::size_t{0}; n <= std::min(most, given.size()); ++n) {
    auto stream = text::utf8_stream{tokens, text::special_tokens::skip};
    for (auto i = std::size_t{0}; i + n < given.size(); ++i)
      (void) stream.append(given[i]);
    if (stream.flush().empty())
      return n;
  }
  return 0;
}

// What is heard of an answer while it comes: whoever wants control tokens sees all of them.
class step_reader {
public:
  step_reader(const text::tokenizer& tokens, bool show_special, const turn_events& events)
      : show_special_(show_special),
        events_(events),
        special_(tokens, text::special_tokens::keep) {}

  void take(const generate::generation::step_result& step) {
    given.insert(given.end(), step.tokens.begin(), step.tokens.end());
    text += step.text;
    for (const auto& e : step.events) {
      if (e.what == text::output_event::kind::thought)
        thoughts += e.text;
      if (!show_special_)
        events_.on_output(e);
    }
    if (show_special_)
      for (const auto token : step.tokens)
        tell(special_.append(token));
  }
  // What was held back.
  void finish(const generate::generation::step_result& rest, bool cut) {
    take(rest);
    if (const auto last = special_.flush(); show_special_ && !cut)
      tell(last);
  }

  std::vector<std::uint32_t> given;
  std::string text, thoughts;

private:
  void tell(std::string piece) const {
    if (!piece.empty())
      events_.on_output({text::output_event::kind::content, std::move(piece)});
  }

  bool show_special_;
  const turn_events& events_;
  text::utf8_stream special_;
};

} // namespace

result<std::unique_ptr<local_answers>> local_answers::open(const chat_model& model,
                                                           const actors::session_provider& service,
                                                           const text::chat_template& format) {
  auto out = std::unique_ptr<local_answers>{new local_answers{model, service, format}};
  LARQL_TRY_VOID(out->open_session());
  return out;
}

result<void> local_answers::open_session() {
  const auto session = service_.client().open("");
  if (session.refused)
    return session.refused->error;
  if (session_ != 0)
    service_.client().close(session_);
  session_ = session.id;
  held_.clear();
  open_end_.reset();
  return {};
}

// ---- asking -------------------------------------------------------------------------------------

// An answer that was cut goes on with the tokens that it has, if the session still has them; else
// behind its text.
result<local_answers::plan> local_answers::plan_of(const chat_turn& turn,
                                                   const answer_flags& flags) const {
  auto out = plan{};
  if (turn.goes_on && open_end_ && open_end_->text == turn.messages.back().content) {
    out.prompt.tokens.assign(held_.begin(), held_.begin() + open_end_->kept);
    out.prompt.in_thought = open_end_->in_thought;
    out.first_index = open_end_->next;
    return out;
  }
  const auto options = text::chat_options{flags.thinking, true, {}, turn.goes_on};
  LARQL_TRY(out.prompt, format_.render_prompt(turn.messages, options, model_.text.tokens));
  return out;
}

// The session goes back to what it has in common with the prompt. Later turns may go on from the
// end of the system's turn and of each other one: a past answer is rendered without the thoughts
// that the prompt invites, which parts the next prompt from this one a few tokens before its end; a
// boundary reaches back that far.
result<actors::session_request> local_answers::request_of(plan p, const answer_flags& flags) const {
  auto& prompt = p.prompt;
  const auto last = prompt.tokens.begin() + static_cast<std::ptrdiff_t>(prompt.tokens.size() - 1);
  const auto common = std::mismatch(prompt.tokens.begin(), last, held_.begin(), held_.end()).first -
                      prompt.tokens.begin();
  auto out = actors::session_request{};
  out.session = session_;
  out.keep = static_cast<std::uint32_t>(common);
  out.tokens.assign(prompt.tokens.begin() + common, prompt.tokens.end());
  out.hints.system_end = static_cast<std::uint32_t>(prompt.system_end);
  for (const auto end : prompt.turn_ends)
    out.hints.turn_ends.push_back(static_cast<std::uint32_t>(end));
  auto options = generate::generation_options{};
  LARQL_TRY(options.sampling, model_.text.sampling(flags));
  options.max_tokens = flags.max_tokens;
  const auto& stop = model_.text.defaults.stop;
  options.stop_tokens = {stop.begin(), stop.end()};
  options.stop_texts = flags.stop;
  options.first_index = p.first_index;
  out.answers.emplace_back(std::move(options),
                           text::output_reader{model_.text.tokens, prompt.in_thought});
  return out;
}

turn_end local_answers::answer(const chat_turn& turn, const answer_flags& flags,
                               const turn_events& events, const std::stop_token& stop) {
  auto out = turn_end{};
  auto planned = plan_of(turn, flags);
  if (!planned) {
    out.failed = std::move(planned).error();
    return out;
  }
  auto request = request_of(*planned, flags);
  if (!request) {
    out.failed = std::move(request).error();
    return out;
  }
  auto reader = step_reader{model_.text.tokens, flags.show_special, events};
  const auto* nodes = model_.compute->nodes();
  auto outcome = ask(service_.client(), *std::move(request),
                     {[&](const generate::generation::step_result& step) { reader.take(step); },
                      [&](const actors::prompt_progress& p) { events.on_read(p.tokens, p.total); },
                      [&] { events.on_wait(waiting_text(nodes)); }},
                     stop);
  auto& end = outcome.end;
  reader.finish(end.rest, is_cut(end.reason));
  out.reason = end.reason;
  out.text = std::move(reader.text);
  out.thoughts = std::move(reader.thoughts);
  out.failed = std::move(end.failed);
  out.numbers = numbers_of(end.stats, planned->prompt.tokens.size(), nodes_count());
  if (outcome.refused)
    return out;
  note_end(turn, *planned, reader.given, end, out.text);
  stats_ = std::move(end.stats);
  return out;
}

void local_answers::note_end(const chat_turn& turn, const plan& p,
                             const std::vector<std::uint32_t>& given, const actors::answer_end& end,
                             const std::string& text) {
  held_ = p.prompt.tokens;
  held_.insert(held_.end(), given.begin(), given.end());
  open_end_.reset();
  if (!is_cut(end.reason) || !end.answer || end.answer->reader() == nullptr)
    return;
  const auto unfinished = unfinished_tokens(model_.text.tokens, given);
  auto cut = cut_answer{};
  cut.text = (turn.goes_on ? turn.messages.back().content : std::string{}) + text;
  cut.kept = static_cast<std::uint32_t>(held_.size() - unfinished);
  cut.next = p.first_index + given.size() - unfinished;
  cut.in_thought = end.answer->reader()->in_thought();
  open_end_ = std::move(cut);
}

// ---- what is known ------------------------------------------------------------------------------

result<std::optional<prompt_size>> local_answers::measure(const chat_turn& turn,
                                                          const answer_flags& flags) {
  // What stands behind a cut in tokens has no parts; its messages have.
  const auto options = text::chat_options{flags.thinking, true, {}, turn.goes_on};
  LARQL_TRY(auto prompt, format_.render_prompt(turn.messages, options, model_.text.tokens));
  LARQL_TRY(const auto p, plan_of(turn, flags));
  auto out = prompt_size{};
  out.total = std::max(prompt.tokens.size(), p.prompt.tokens.size());
  out.context = context();
  out.system = prompt.system_end;
  out.message_ends = std::move(prompt.turn_ends);
  return std::optional{std::move(out)};
}

std::size_t local_answers::context() const {
  return service_.options().limits.context;
}

std::string local_answers::model() const {
  return model_.compute->model().config.model;
}

std::uint32_t local_answers::nodes_count() const {
  const auto* nodes = model_.compute->nodes();
  return nodes == nullptr ? 0 : static_cast<std::uint32_t>(nodes->status()->view->members.size());
}

std::string local_answers::nodes_text() {
  if (model_.compute->is_placed())
    return "the session is at a node, which asks the others\n";
  const auto* nodes = model_.compute->nodes();
  if (nodes == nullptr)
    return "all experts are on this machine\n";
  const auto status = nodes->status();
  const auto late = nodes->late();
  const auto state_of = [&](const actors::cluster_member& m) {
    return std::find(late.begin(), late.end(), m.description->incarnation) == late.end()
               ? name_of(m.state)
               : "suspect";
  };
  auto t = table{{"NODE", "ADDRESS", "STATE", "EXPERTS", "LAYERS", "LAST GOOD CHECK"}};
  for (const auto& m : status->view->members)
    t.add({m.description->node, m.address, state_of(m), to_string(m.description->owned.experts),
           to_string(m.description->owned.layers), last_good_check(*nodes, m)});
  for (const auto& a : status->view->missing)
    t.add({a.name, a.address, "away", to_string(a.owned.experts), to_string(a.owned.layers), "",
           a.why});
  return t.text();
}

void local_answers::say_stats() const {
  print_report(stats_);
  report_line("context: {} of {} tokens", held_.size(), context());
}

// ---- files --------------------------------------------------------------------------------------

// The next prompt begins with these messages, their last answer rendered as a past one: what the
// session has of that is of use.
result<std::optional<std::size_t>>
local_answers::save(const std::vector<text::chat_message>& messages, const answer_flags& flags,
                    const std::filesystem::path& file) {
  const auto options = text::chat_options{flags.thinking, false};
  LARQL_TRY(const auto next, format_.render_prompt(messages, options, model_.text.tokens));
  const auto common =
      std::mismatch(next.tokens.begin(), next.tokens.end(), held_.begin(), held_.end()).first -
      next.tokens.begin();
  if (common == 0)
    return std::optional<std::size_t>{};
  LARQL_TRY(const auto identity,
            prompt_identity(model_.compute->vindex(), model_.compute->model().config));
  LARQL_TRY(const auto kept,
            service_.save_session(session_, static_cast<std::uint32_t>(common), file, identity));
  return kept == 0 ? std::nullopt : std::optional<std::size_t>{kept};
}

result<std::optional<std::size_t>> local_answers::load(const std::filesystem::path& file) {
  LARQL_TRY_VOID(open_session());
  LARQL_TRY(const auto identity,
            prompt_identity(model_.compute->vindex(), model_.compute->model().config));
  LARQL_TRY(held_, service_.load_session(session_, file, identity));
  return held_.empty() ? std::nullopt : std::optional<std::size_t>{held_.size()};
}

} // namespace larql::cli
