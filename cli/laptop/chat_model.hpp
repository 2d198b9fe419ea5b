// What `run` and `chat` share: the flags of an answer, and the text side of a model.

#pragma once

#include "cli/laptop/local_runtime.hpp"
#include "runtime/generate/answer.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/tokenizer.hpp"

#include <optional>

namespace larql::cli {

struct answer_flags {
  /// Enough for any context.
  static constexpr auto no_limit = ~std::size_t{0};

  std::size_t max_tokens = no_limit;
  std::string chat_format; ///< "gemma4", whatever the model's template is; empty: the template's
  std::string system;
  bool thinking = false;
  bool show_special = false;
  bool quiet = false;
  bool verbose = false; ///< say what is in force before the answer
  generate::sampling_options sampling;
  std::optional<std::uint32_t> top_k;
  std::optional<float> top_p;
  std::vector<std::string> stop; ///< texts that end the answer; they are not shown
};

void add_answer_options(command_parser& command, answer_flags& flags);
/// --chat-format alone, which add_answer_options() has as well.
void add_chat_format_option(command_parser& command, std::string& to);

/// Tokenizer, chat format and defaults of a vindex.
struct text_assets {
  text::tokenizer tokens;
  text::generation_config defaults;
  /// How messages become a prompt; none: they do not, text goes on as plain text.
  std::optional<text::chat_template> format;
  std::string format_source;        ///< "the model's chat template", for people
  std::optional<failure> no_format; ///< why there is none although the model has a template
  std::vector<std::string> notes;   ///< what a user should know about the prompts, a line each

  /// `chat_format` as in answer_flags.
  [[nodiscard]] static result<text_assets> load(const std::filesystem::path& vindex,
                                                const std::string& chat_format);

  /// The format, or why messages cannot be made a prompt.
  [[nodiscard]] result<text::chat_template> require_format() const;

  /// The flags' sampling with the model's defaults where nothing was said; checked.
  [[nodiscard]] result<generate::sampling_options> sampling(const answer_flags& flags) const;
};

struct chat_model {
  text_assets text;
  std::unique_ptr<local_runtime> compute;
};

/// Loads the text assets and starts the local runtime at the same time, and checks that they belong
/// together. `chat_format` as in answer_flags.
[[nodiscard]] result<chat_model> start_model(const runtime_options& options,
                                             const std::string& chat_format,
                                             const std::stop_token& stop);

/// What is said with --verbose: how tokens are chosen, what ends an answer, how prompts are made.
/// `raw`: the prompt is plain text.
void say_what_is_in_force(const text_assets& text, const answer_flags& flags,
                          const generate::sampling_options& sampling, bool raw);

} // namespace larql::cli
