// larql run: one prompt, its answer as it is made, and a short report.

#include "cli/laptop/answer_view.hpp"
#include "cli/laptop/chat/waiting_text.hpp"
#include "cli/laptop/chat_model.hpp"
#include "cli/laptop/prompt_text.hpp"
#include "cli/laptop/report.hpp"
#include "cli/laptop/run_json.hpp"
#include "cli/laptop/session_answer.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/model_kind.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/text/utf8_stream.hpp"

namespace larql::cli {

namespace {

struct options {
  runtime_options runtime;
  std::optional<std::string> prompt;
  std::filesystem::path file;
  bool chat = false;
  bool raw = false;
  bool token_ids = false;
  bool ignore_eos = false;
  bool json = false;
  answer_flags answer;
};

// Raw text goes on where it stops; in a chat format it is a user's turn.
bool is_raw(const options& o, const text_assets& text) {
  return o.raw || (!o.chat && !text.format && !text.no_format);
}

result<text::chat_prompt> make_prompt(const options& o, const std::string& words,
                                      const text_assets& text) {
  const auto& system = o.answer.system;
  const auto thinking = o.answer.thinking;
  if (is_raw(o, text)) {
    if (!system.empty() || thinking)
      return fail(errc::usage, "--system and --thinking need the chat template (--chat)");
    auto out = text::chat_prompt{};
    LARQL_TRY(out.tokens, text.tokens.encode(words, true, text::control_text::becomes_tokens));
    return out;
  }
  auto format = text.require_format();
  if (!format)
    return fail(format.error().code, "{}, and --raw continues the prompt as plain text",
                format.error().text);
  auto messages = std::vector<text::chat_message>{};
  if (!system.empty())
    messages.push_back({text::chat_role::system, system});
  messages.push_back({text::chat_role::user, words});
  return format->render_prompt(messages, {thinking, true}, text.tokens);
}

// A chat's answer is read as one, unless its control tokens are to be seen.
generate::generation make_generation(const options& o, const text_assets& text,
                                     generate::generation_options answer, bool in_thought) {
  if (o.answer.show_special)
    return generate::generation{std::move(answer),
                                text::utf8_stream{text.tokens, text::special_tokens::keep}};
  if (!is_raw(o, text))
    return generate::generation{std::move(answer), text::output_reader{text.tokens, in_thought}};
  return generate::generation{std::move(answer),
                              text::utf8_stream{text.tokens, text::special_tokens::skip}};
}

// A prompt that does not fit has no answer; what to do is said before the work.
result<void> check_length(const std::vector<std::uint32_t>& prompt, const context_choice& context) {
  if (prompt.size() <= context.tokens)
    return {};
  return fail(errc::usage,
              "the prompt's {} tokens do not fit the context of {}; --context makes it larger{}",
              prompt.size(), context.text(),
              context.reason == context_reason::asked && context.trained > context.tokens
                  ? fmt::format(", and the model was trained for {}", context.trained)
                  : "");
}

// Why the answer ends where it does, if neither the model nor the user has ended it.
void say_why_it_ends(const generate::answer_stats& stats, const context_choice& context) {
  if (stats.reason == generate::end_reason::context_full)
    say("the answer ends here because the context is full: {} (--context)", context.text());
}

// Of an answer whose end was heard.
run_answer whole_answer(const local_runtime& e, const answer_view& view,
                        const session_outcome& outcome) {
  const auto& stats = outcome.end.stats;
  const auto* nodes = e.nodes();
  auto out = run_answer{};
  out.model = e.model().config.model;
  out.text = view.text();
  out.thoughts = view.thoughts();
  out.reason = stats.reason;
  out.numbers = numbers_of(
      stats, outcome.end.prompt_tokens,
      nodes == nullptr ? 0 : static_cast<std::uint32_t>(nodes->status()->view->members.size()));
  out.to_first_token = stats.to_first_token;
  return out;
}

// The answer as it comes; with --json as a whole, and with --token-ids its tokens.
session_outcome show_answer(const options& o, const actors::session_provider& service,
                            const local_runtime& e, actors::session_request request,
                            const interrupt_scope& signals) {
  auto view = answer_view{{o.answer.quiet, false, !o.token_ids && !o.json}};
  const auto* nodes = e.nodes();
  auto outcome = ask(service.client(), std::move(request),
                     {[&](const generate::generation::step_result& step) {
                        view.show(step);
                        if (o.token_ids)
                          for (const auto token : step.tokens)
                            print_text(fmt::format("{}\n", token));
                      },
                      [&](const actors::prompt_progress& p) { view.progress(p.tokens, p.total); },
                      [&] { view.waiting(waiting_text(nodes)); }},
                     signals.token());
  if (o.token_ids)
    return outcome;
  view.show(outcome.end.rest);
  view.finish();
  if (o.json && !outcome.end.failed)
    print_text(run_json(whole_answer(e, view, outcome)));
  return outcome;
}

bool is_model(const std::filesystem::path& word) {
  return hub::is_hub_path(word.string()) || find_model(word);
}

result<void> run(options o) {
  if (!o.runtime.cluster.topology.empty() && !o.prompt && o.file.empty() &&
      !o.runtime.vindex.empty() && !is_model(o.runtime.vindex))
    o.prompt = std::exchange(o.runtime.vindex, {}).string(); // the only word: the prompt
  const auto signals = interrupt_scope{};
  LARQL_TRY(const auto words, read_prompt({o.prompt, o.file, o.runtime.vindex.string()}, signals));
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto model, start_model(o.runtime, o.answer.chat_format, signals.token()));
  const auto& [text, e] = model;
  LARQL_TRY(const auto sampling, text.sampling(o.answer));
  LARQL_TRY(auto prompt, make_prompt(o, words, text));
  e->set_context();
  LARQL_TRY_VOID(check_length(prompt.tokens, e->context()));
  auto limits = actors::session_options{};
  limits.limits.cache_bytes = 0; // nobody comes after this prompt
  LARQL_TRY(const auto service, e->start_sessions(std::move(limits)));

  if (!o.raw && !o.answer.quiet)
    for (const auto& note : text.notes)
      say("{}", note);
  if (o.answer.verbose)
    say_what_is_in_force(text, o.answer, sampling, is_raw(o, text));
  auto options = generate::generation_options{sampling, o.answer.max_tokens, {}, o.answer.stop};
  if (const auto& stop = text.defaults.stop; !o.ignore_eos)
    options.stop_tokens = {stop.begin(), stop.end()};
  const auto prompt_tokens = prompt.tokens.size();
  auto request = actors::session_request{};
  request.tokens = std::move(prompt.tokens);
  request.answers.push_back(make_generation(o, text, std::move(options), prompt.in_thought));
  const auto end = show_answer(o, *service, *e, std::move(request), signals);
  if (!o.answer.quiet && !end.refused)
    print_report(end.end.stats);
  if (!o.answer.quiet && !end.end.failed)
    report_line("context: {} of {}", prompt_tokens + end.end.stats.tokens, e->context().text());
  say_why_it_ends(end.end.stats, e->context());
  return end.done();
}

} // namespace

void add_run(command_parser& app, action& chosen) {
  auto command = app.add_command("run", "Answer a prompt");
  auto o = std::make_shared<options>();
  add_runtime_options(command, o->runtime);
  add_session_at(command, o->runtime);
  add_speculation_options(command, o->runtime.speculation);
  command.add_option("prompt", o->prompt, "What to say to the model; -: standard input");
  command.add_option("-f,--file", o->file, "File with the prompt; -: standard input");
  add_answer_options(command, o->answer);
  auto chat = command.add_flag("--chat", o->chat, "Use the chat template (default if there is one)")
                  .group("Prompt");
  command.add_flag("--raw", o->raw, "Continue the prompt as plain text")
      .excludes(chat)
      .group("Prompt");
  auto ids =
      command
          .add_flag("--token-ids", o->token_ids, "Print a line per token, its id, instead of text")
          .group("Output");
  command.add_flag("--json", o->json, "Print one JSON object: text, thoughts, numbers")
      .excludes(ids)
      .group("Output");
  command.add_flag("--ignore-eos", o->ignore_eos, "Go on after the end of the answer, up to -n")
      .group("Output");
  command.footer("larql run gemma4.vindex \"Why is the sky blue?\"\n"
                 "larql run gemma4.vindex -f letter.txt --topology cluster.toml -n 300\n\n"
                 "The answer ends where the model ends it, where -n says, or where the context is "
                 "full, which is then said.");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(run(*o)); }; });
}

} // namespace larql::cli
