// larql run: one prompt, its answer as it is made, and a short report.

#include "cli/laptop/chat_model.hpp"
#include "cli/laptop/prompt_progress.hpp"
#include "cli/laptop/prompt_text.hpp"
#include "cli/laptop/report.hpp"
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
  answer_flags answer;
};

// Raw text goes on where it stops; with a chat template it is a user's turn.
result<std::vector<std::uint32_t>> make_prompt(const options& o, const std::string& words,
                                               const text_assets& text) {
  const auto& system = o.answer.system;
  const auto thinking = o.answer.thinking;
  if (!o.chat && (o.raw || !text.format)) {
    if (!system.empty() || thinking)
      return fail(errc::usage, "--system and --thinking need the chat template (--chat)");
    return text.tokens.encode(words, true, text::control_text::becomes_tokens);
  }
  auto messages = std::vector<text::chat_message>{};
  if (!system.empty())
    messages.push_back({text::chat_role::system, system});
  messages.push_back({text::chat_role::user, words});
  return text.format.value_or(text::chat_template{})
      .render(messages, {thinking, true}, text.tokens);
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

bool is_model(const std::filesystem::path& word) {
  return hub::is_hub_path(word.string()) || require_vindex(word);
}

result<void> run(options o) {
  if (!o.runtime.cluster.topology.empty() && !o.prompt && o.file.empty() &&
      !o.runtime.vindex.empty() && !is_model(o.runtime.vindex))
    o.prompt = std::exchange(o.runtime.vindex, {}).string(); // the only word: the prompt
  const auto signals = interrupt_scope{};
  LARQL_TRY(const auto words, read_prompt({o.prompt, o.file, o.runtime.vindex.string()}, signals));
  LARQL_TRY_VOID(complete(o.runtime));
  LARQL_TRY(const auto model, start_model(o.runtime, signals.token()));
  const auto& [text, e] = model;
  LARQL_TRY(const auto sampling, text.sampling(o.answer));
  LARQL_TRY(const auto prompt, make_prompt(o, words, text));
  LARQL_TRY(const auto sequence, e->new_conversation());
  LARQL_TRY_VOID(check_length(prompt, e->context()));

  if (!text.format && !o.raw && !o.chat && !o.answer.quiet)
    say("{} has no chat template: the prompt is continued as plain text (--chat takes the "
        "template of Gemma 4, --raw is silent)",
        e->vindex().string());
  auto options = generate::generation_options{sampling, o.answer.max_tokens, {}, {}};
  if (const auto& stop = text.defaults.stop; !o.ignore_eos)
    options.stop_tokens = {stop.begin(), stop.end()};
  auto reader = text::utf8_stream{text.tokens, o.answer.show_special ? text::special_tokens::keep
                                                                     : text::special_tokens::skip};
  auto generation = generate::generation{std::move(options), reader};
  auto scratch = generate::sampling_scratch{e->compute().k};
  auto printer = answer_printer{};
  auto stats = generate::answer_stats{};
  auto progress = prompt_progress{prompt.size(), prompt_progress::clock::now()};
  auto input = generate::prompt_input{prompt};
  if (!o.answer.quiet)
    input.on_read = [&](std::uint32_t read) { say_progress(progress, read); };
  const auto done = generate::answer(
      e->executor(), *sequence, input, generation, scratch,
      [&](const generate::generation::step_result& step) {
        if (o.token_ids)
          for (const auto token : step.tokens)
            print_text(fmt::format("{}\n", token));
        else
          printer.print(step.text);
      },
      signals.token(), stats);
  if (!o.token_ids)
    printer.finish(generation.flush());
  if (!o.answer.quiet)
    print_report(stats);
  if (!o.answer.quiet && done)
    report_line("context: {} of {}", sequence->size(), e->context().text());
  say_why_it_ends(stats, e->context());
  return done;
}

} // namespace

void add_run(command_parser& app, action& chosen) {
  auto command = app.add_command("run", "Answer a prompt");
  auto o = std::make_shared<options>();
  add_runtime_options(command, o->runtime);
  command.add_option("prompt", o->prompt, "What to say to the model; -: standard input");
  command.add_option("-f,--file", o->file, "File with the prompt; -: standard input");
  add_answer_options(command, o->answer);
  auto chat = command.add_flag("--chat", o->chat, "Use the chat template (default if there is one)")
                  .group("Prompt");
  command.add_flag("--raw", o->raw, "Continue the prompt as plain text")
      .excludes(chat)
      .group("Prompt");
  command.add_flag("--token-ids", o->token_ids, "Print a line per token, its id, instead of text")
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
