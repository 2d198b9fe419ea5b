#include "cli/laptop/chat_model.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/text/template_check.hpp"
#include "runtime/vindex/format.hpp"

#include <future>
#include <limits>

namespace larql::cli {

void add_chat_format_option(command_parser& command, std::string& to) {
  command
      .add_option("--chat-format", to,
                  "gemma4: Gemma 4's chat format, whatever the model's template says")
      .one_of({"gemma4"})
      .group("Prompt");
}

namespace {

void add_penalty_options(command_parser& command, generate::sampling_options& s) {
  command
      .add_option("--repetition-penalty,--repeat-penalty", s.repetition_penalty,
                  "Divide the logits of tokens that came before by this; 1: do not")
      .show_default()
      .group("Sampling");
  command
      .add_option("--presence-penalty", s.presence_penalty,
                  "Take this from the logits of tokens that came before")
      .group("Sampling");
  command
      .add_option("--frequency-penalty", s.frequency_penalty,
                  "The same for every time that they came")
      .group("Sampling");
}

} // namespace

void add_answer_options(command_parser& command, answer_flags& f) {
  command.add_option(
      "-n,--max-tokens", f.max_tokens,
      fmt::format("Most tokens (default: {})", f.max_tokens == answer_flags::no_limit
                                                   ? "until the model ends the answer"
                                                   : fmt::format("{}", f.max_tokens)));
  command.add_option("--system", f.system, "System message in front of the prompt").group("Prompt");
  add_chat_format_option(command, f.chat_format);
  command.add_flag("--thinking", f.thinking, "Let the model think before it answers")
      .group("Prompt");
  command
      .add_option("--temperature", f.sampling.temperature,
                  "0: always the most likely token; higher: more varied")
      .show_default()
      .group("Sampling");
  command
      .add_option("--top-k", f.top_k,
                  "Choose among this many tokens; 0: all (default: the model's)")
      .group("Sampling");
  command
      .add_option("--top-p", f.top_p,
                  "Choose among tokens of this probability (default: the model's)")
      .group("Sampling");
  command
      .add_option("--min-p", f.sampling.min_p,
                  "Leave out tokens below this share of the likeliest one's probability")
      .group("Sampling");
  command.add_option("--seed", f.sampling.seed, "Same seed, same text")
      .show_default()
      .group("Sampling");
  add_penalty_options(command, f.sampling);
  command.add_option("--stop", f.stop, "End the answer before this text; may be repeated")
      .group("Sampling");
  command.add_flag("--show-special", f.show_special, "Print control tokens as well")
      .group("Output");
  auto quiet = command.add_flag("-q,--quiet", f.quiet, "No report behind an answer");
  command
      .add_flag("--verbose", f.verbose,
                "Say how tokens are chosen, what ends an answer and how the prompt is made")
      .excludes(quiet)
      .group("Output");
}

namespace {

constexpr std::string_view usual_format = "Gemma 4's chat format";

// What the model's own template makes of messages.
result<void> read_template(const std::filesystem::path& path, text_assets& out) {
  LARQL_TRY(const auto jinja, read_text_file(path, vindex::max_json_bytes));
  auto format = text::chat_template::detect(jinja, path.string());
  if (!format) {
    out.no_format = std::move(format).error();
    return {};
  }
  out.format = *format;
  out.format_source = "the model's chat template";
  for (const auto& what : text::what_is_not_rendered(jinja))
    out.notes.push_back(fmt::format("{} {}", path.filename().string(), what));
  return {};
}

} // namespace

result<text_assets> text_assets::load(const std::filesystem::path& vindex,
                                      const std::string& chat_format) {
  auto out = text_assets{};
  LARQL_TRY(out.tokens, text::tokenizer::load(vindex / vindex::tokenizer_file));
  LARQL_TRY(out.defaults,
            text::read_generation_config(vindex / vindex::generation_config_file, out.tokens));
  if (!chat_format.empty()) {
    out.format.emplace();
    out.format_source = usual_format;
    return out;
  }
  const auto path = vindex / vindex::chat_template_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (exists) {
    LARQL_TRY_VOID(read_template(path, out));
    return out;
  }
  // Models before instruction tuning have none, and neither have some files of those after it.
  const auto can_chat = out.tokens.find("<|turn>") && out.tokens.find("<turn|>");
  if (can_chat) {
    out.format.emplace();
    out.format_source = usual_format;
  }
  out.notes.push_back(
      fmt::format("{} has no chat template: {}", vindex.string(),
                  can_chat ? fmt::format("{} is used (--raw: plain text)", usual_format)
                           : "the prompt is continued as plain text (--raw says nothing)"));
  return out;
}

result<text::chat_template> text_assets::require_format() const {
  if (format)
    return *format;
  if (no_format)
    return fail(no_format->code, "{}; --chat-format gemma4 takes it for one all the same",
                no_format->text);
  return text::chat_template{}; // whose control tokens the tokenizer does not have, as it will say
}

result<generate::sampling_options> text_assets::sampling(const answer_flags& flags) const {
  auto out = flags.sampling;
  out.top_k = flags.top_k.value_or(defaults.top_k);
  out.top_p = flags.top_p.value_or(static_cast<float>(defaults.top_p));
  for (const auto token : defaults.suppress)
    out.bias.emplace_back(token, -std::numeric_limits<float>::infinity());
  LARQL_TRY_VOID(generate::check_options(out));
  return out;
}

result<chat_model> start_model(const runtime_options& options, const std::string& chat_format,
                               const std::stop_token& stop) {
  auto text = std::async(std::launch::async, text_assets::load, options.vindex, chat_format);
  auto e = local_runtime::start(options, stop);
  auto out = chat_model{};
  LARQL_TRY(out.text, text.get());
  LARQL_TRY(out.compute, std::move(e));
  if (out.text.tokens.size() > out.compute->model().config.vocab)
    return fail(errc::mismatch, "{}: the tokenizer has {} tokens, the model {}",
                options.vindex.string(), out.text.tokens.size(), out.compute->model().config.vocab);
  return out;
}

void say_what_is_in_force(const text_assets& text, const answer_flags& flags,
                          const generate::sampling_options& sampling, bool raw) {
  const auto whose = [](bool asked) { return asked ? "" : " (the model's)"; };
  if (sampling.temperature == 0)
    report_line(
        "tokens: always the most likely one (--temperature varies them; the model's own is {})",
        text.defaults.temperature);
  else
    report_line("tokens: temperature {}, top-k {}{}, top-p {}{}, min-p {}, seed {}",
                sampling.temperature, sampling.top_k, whose(flags.top_k.has_value()),
                sampling.top_p, whose(flags.top_p.has_value()), sampling.min_p, sampling.seed);
  if (!text.defaults.suppress.empty())
    report_line("never chosen: {} tokens that the model's generation config names",
                text.defaults.suppress.size());
  auto stops = std::string{};
  for (const auto token : text.defaults.stop)
    stops += fmt::format("{}{} ({})", stops.empty() ? "" : ", ", text.tokens.piece(token), token);
  report_line("an answer ends with: {}", stops.empty() ? "nothing" : stops);
  report_line("prompt: {}{}", raw ? "plain text" : text.format_source,
              flags.thinking ? ", with thinking" : "");
  for (const auto& note : text.defaults.notes)
    report_line("{}", note);
}

} // namespace larql::cli
