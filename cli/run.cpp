// larql run: one prompt, its answer as it is made, and a short report.

#include "cli/command.hpp"
#include "cli/engine.hpp"
#include "cli/interrupt.hpp"
#include "cli/report.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/generate/generator.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/utf8_stream.hpp"
#include "runtime/vindex/format.hpp"

namespace larql::cli {

namespace {

constexpr std::uint32_t default_context = 8192;

struct options {
  engine_options engine;
  std::string prompt;
  std::string system;
  std::size_t max_tokens = 64;
  bool chat = false;
  bool raw = false;
  bool thinking = false;
  bool show_special = false;
  bool quiet = false;
  generate::sampling_options sampling;
  bool top_k_given = false, top_p_given = false;
};

// Raw text goes on where it stops; with a chat template it is a user's turn.
result<std::vector<std::uint32_t>> make_prompt(const options& o, const text::tokenizer& tokens) {
  const auto path = o.engine.vindex / vindex::chat_template_file;
  const auto use_chat = o.chat || (!o.raw && std::filesystem::exists(path));
  if (!use_chat) {
    if (!o.system.empty() || o.thinking)
      return fail(errc::usage, "--system and --thinking need the chat template (--chat)");
    return tokens.encode(o.prompt, true, text::control_text::becomes_tokens);
  }
  auto format = text::chat_template{};
  if (std::filesystem::exists(path)) {
    LARQL_TRY(const auto jinja, read_text_file(path, vindex::max_json_bytes));
    LARQL_TRY(format, text::chat_template::detect(jinja, path.string()));
  }
  auto messages = std::vector<text::chat_message>{};
  if (!o.system.empty())
    messages.push_back({text::chat_role::system, o.system});
  messages.push_back({text::chat_role::user, o.prompt});
  return format.render(messages, {o.thinking, true}, tokens);
}

result<void> run(options o) {
  if (!o.engine.cluster.topology.empty() && o.prompt.empty())
    o.prompt = std::exchange(o.engine.vindex, {}).string(); // the only word: the prompt
  if (o.prompt.empty())
    return fail(errc::usage, "the prompt is missing");
  LARQL_TRY_VOID(complete(o.engine));
  LARQL_TRY(const auto tokens, text::tokenizer::load(o.engine.vindex / vindex::tokenizer_file));
  LARQL_TRY(const auto defaults,
            text::read_generation_config(o.engine.vindex / vindex::generation_config_file, tokens));
  if (!o.top_k_given)
    o.sampling.top_k = defaults.top_k;
  if (!o.top_p_given)
    o.sampling.top_p = static_cast<float>(defaults.top_p);
  LARQL_TRY_VOID(generate::check_options(o.sampling));
  LARQL_TRY(const auto prompt, make_prompt(o, tokens));
  LARQL_TRY(const auto e, engine::start(o.engine));
  if (tokens.size() > e->model().config.vocab)
    return fail(errc::mismatch, "{}: the tokenizer has {} tokens, the model {}",
                o.engine.vindex.string(), tokens.size(), e->model().config.vocab);
  LARQL_TRY(const auto session, e->new_session(default_context));

  install_interrupt_handler();
  session->cancelled = [] { return interrupted().load(); };
  auto choose = generate::sampler{e->compute().k, o.sampling};
  auto limits =
      generate::generation_limits{o.max_tokens, {defaults.stop.begin(), defaults.stop.end()}};
  auto stream = text::utf8_stream{tokens, o.show_special ? text::special_tokens::keep
                                                         : text::special_tokens::skip};
  const auto print = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  auto stats = generate::generation_stats{};
  const auto done = generate::generate(
      *session, prompt, choose, limits,
      [&](std::uint32_t token) {
        print(stream.append(token));
        return !interrupted();
      },
      stats);
  print(stream.flush());
  print("\n");
  if (!done && done.error().code == errc::cancelled) // within a pass instead of between two
    stats.reason = generate::stop_reason::caller;
  if (!o.quiet)
    print_report(stats, e->remote());
  // Ctrl-C is how a user ends an answer that is long enough.
  if (!done && done.error().code != errc::cancelled)
    return done;
  return {};
}

} // namespace

void add_run(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand("run", "Answer a prompt");
  auto o = std::make_shared<options>();
  add_engine_options(*command, o->engine);
  command->add_option("prompt", o->prompt, "What to say to the model");
  command->add_option("-n,--max-tokens", o->max_tokens, "Most tokens to generate")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  auto* chat = command->add_flag(
      "--chat", o->chat, "Use the chat template (default if the vindex has chat_template.jinja)");
  command->add_flag("--raw", o->raw, "Continue the prompt as plain text")->excludes(chat);
  command->add_option("--system", o->system, "System message in front of the prompt");
  command->add_flag("--thinking", o->thinking, "Let the model think before it answers");
  command
      ->add_option("--temperature", o->sampling.temperature,
                   "0: always the most likely token; higher: more varied")
      ->capture_default_str();
  auto* top_k = command->add_option("--top-k", o->sampling.top_k,
                                    "Choose among this many tokens; 0: all (default: the model's)");
  auto* top_p =
      command->add_option("--top-p", o->sampling.top_p,
                          "Choose among tokens of this probability (default: the model's)");
  command->add_option("--min-p", o->sampling.min_p,
                      "Leave out tokens below this share of the likeliest one's probability");
  command->add_option("--seed", o->sampling.seed, "Same seed, same text")->capture_default_str();
  command->add_flag("--show-special", o->show_special, "Print control tokens as well");
  command->add_flag("-q,--quiet", o->quiet, "No report at the end");
  command->callback([o, top_k, top_p, &chosen] {
    o->top_k_given = top_k->count() != 0;
    o->top_p_given = top_p->count() != 0;
    chosen = [o] {
      const auto ok = run(*o);
      return ok ? exit_ok : report(ok.error());
    };
  });
}

} // namespace larql::cli
