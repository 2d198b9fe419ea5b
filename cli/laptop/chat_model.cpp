#include "cli/laptop/chat_model.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

#include <future>

namespace larql::cli {

void add_answer_options(command_parser& command, answer_flags& f) {
  command.add_option(
      "-n,--max-tokens", f.max_tokens,
      fmt::format("Most tokens (default: {})", f.max_tokens == answer_flags::no_limit
                                                   ? "until the model ends the answer"
                                                   : fmt::format("{}", f.max_tokens)));
  command.add_option("--system", f.system, "System message in front of the prompt").group("Prompt");
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
  command.add_flag("--show-special", f.show_special, "Print control tokens as well")
      .group("Output");
  command.add_flag("-q,--quiet", f.quiet, "No report behind an answer");
}

result<text_assets> text_assets::load(const std::filesystem::path& vindex) {
  auto out = text_assets{};
  LARQL_TRY(out.tokens, text::tokenizer::load(vindex / vindex::tokenizer_file));
  LARQL_TRY(out.defaults,
            text::read_generation_config(vindex / vindex::generation_config_file, out.tokens));
  const auto path = vindex / vindex::chat_template_file;
  LARQL_TRY(const auto exists, path_exists(path));
  if (exists) {
    LARQL_TRY(const auto jinja, read_text_file(path, vindex::max_json_bytes));
    LARQL_TRY(out.format, text::chat_template::detect(jinja, path.string()));
  }
  return out;
}

result<generate::sampling_options> text_assets::sampling(const answer_flags& flags) const {
  auto out = flags.sampling;
  out.top_k = flags.top_k.value_or(defaults.top_k);
  out.top_p = flags.top_p.value_or(static_cast<float>(defaults.top_p));
  LARQL_TRY_VOID(generate::check_options(out));
  return out;
}

result<chat_model> start_model(const runtime_options& options, const std::stop_token& stop) {
  auto text = std::async(std::launch::async, text_assets::load, options.vindex);
  auto e = local_runtime::start(options, stop);
  auto out = chat_model{};
  LARQL_TRY(out.text, text.get());
  LARQL_TRY(out.compute, std::move(e));
  if (out.text.tokens.size() > out.compute->model().config.vocab)
    return fail(errc::mismatch, "{}: the tokenizer has {} tokens, the model {}",
                options.vindex.string(), out.text.tokens.size(), out.compute->model().config.vocab);
  return out;
}

} // namespace larql::cli
