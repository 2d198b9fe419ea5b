// larql run: one prompt, its answer as it is made, and a short report.

#include "cli/laptop/chat_model.hpp"
#include "cli/laptop/report.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "runtime/text/utf8_stream.hpp"

namespace larql::cli {

namespace {

struct options {
  runtime_options runtime;
  std::string prompt;
  bool chat = false;
  bool raw = false;
  bool token_ids = false;
  bool ignore_eos = false;
  answer_flags answer;
};

// Raw text goes on where it stops; with a chat template it is a user's turn.
result<std::vector<std::uint32_t>> make_prompt(const options& o, const text_assets& text) {
  const auto& system = o.answer.system;
  const auto thinking = o.answer.thinking;
  if (!o.chat && (o.raw || !text.format)) {
    if (!system.empty() || thinking)
      return fail(errc::usage, "--system and --thinking need the chat template (--chat)");
    return text.tokens.encode(o.prompt, true, text::control_text::becomes_tokens);
  }
  auto messages = std::vector<text::chat_message>{};
  if (!system.empty())
    messages.push_back({text::chat_role::system, system});
  messages.push_back({text::chat_role::user, o.prompt});
  return text.format.value_or(text::chat_template{})
      .render(messages, {thinking, true}, text.tokens);
}

result<void> run(options o) {
  if (!o.runtime.cluster.topology.empty() && o.prompt.empty())
    o.prompt = std::exchange(o.runtime.vindex, {}).string(); // the only word: the prompt
  if (o.prompt.empty())
    return fail(errc::usage, "the prompt is missing");
  LARQL_TRY_VOID(complete(o.runtime));
  const auto signals = interrupt_scope{};
  LARQL_TRY(const auto model, start_model(o.runtime, signals.token()));
  const auto& [text, e] = model;
  LARQL_TRY(const auto sampling, text.sampling(o.answer));
  LARQL_TRY(const auto prompt, make_prompt(o, text));
  LARQL_TRY(const auto sequence, e->new_sequence(default_context));

  auto options = generate::generation_options{sampling, o.answer.max_tokens, {}, {}};
  if (const auto& stop = text.defaults.stop; !o.ignore_eos)
    options.stop_tokens = {stop.begin(), stop.end()};
  auto reader = text::utf8_stream{text.tokens, o.answer.show_special ? text::special_tokens::keep
                                                                     : text::special_tokens::skip};
  auto generation = generate::generation{std::move(options), reader};
  auto scratch = generate::sampling_scratch{e->compute().k};
  auto printer = answer_printer{};
  auto stats = generate::answer_stats{};
  const auto done = generate::answer(
      e->executor(), *sequence, {prompt}, generation, scratch,
      [&](const generate::generation::step_result& step) {
        if (o.token_ids)
          for (const auto token : step.tokens)
            print_now(fmt::format("{}\n", token));
        else
          printer.print(step.text);
      },
      signals.token(), stats);
  if (!o.token_ids)
    printer.finish(generation.flush());
  if (!o.answer.quiet)
    print_report(stats);
  return done; // Ctrl-C is how a user ends an answer that is long enough
}

} // namespace

void add_run(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand("run", "Answer a prompt");
  auto o = std::make_shared<options>();
  add_runtime_options(*command, o->runtime);
  command->add_option("prompt", o->prompt, "What to say to the model");
  auto* chat = command->add_flag(
      "--chat", o->chat, "Use the chat template (default if the vindex has chat_template.jinja)");
  command->add_flag("--raw", o->raw, "Continue the prompt as plain text")->excludes(chat);
  command->add_flag("--token-ids", o->token_ids, "Print a line per token, its id, instead of text");
  command->add_flag("--ignore-eos", o->ignore_eos, "Go on after the end of the answer, up to -n");
  add_answer_options(*command, o->answer);
  command->callback([o, &chosen] { chosen = [o] { return exit_code(run(*o)); }; });
}

} // namespace larql::cli
