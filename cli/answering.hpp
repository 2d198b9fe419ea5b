// What `run` and `chat` share: the flags of an answer, and the text side of a model.

#pragma once

#include "cli/engine.hpp"
#include "runtime/generate/generator.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/tokenizer.hpp"

#include <CLI/CLI.hpp>

#include <optional>

namespace larql::cli {

struct answer_flags {
  std::size_t max_tokens = 64;
  std::string system;
  bool thinking = false;
  bool show_special = false;
  bool quiet = false;
  generate::sampling_options sampling;
  std::optional<std::uint32_t> top_k;
  std::optional<float> top_p;
};

void add_answer_options(CLI::App& command, answer_flags& flags);

/// Tokenizer, chat template and defaults of a vindex.
struct text_side {
  text::tokenizer tokens;
  text::generation_config defaults;
  std::optional<text::chat_template> format; ///< absent: the vindex has no template

  [[nodiscard]] static result<text_side> load(const std::filesystem::path& vindex);

  /// The flags' sampling with the model's defaults where nothing was said; checked.
  [[nodiscard]] result<generate::sampling_options> sampling(const answer_flags& flags) const;
};

struct talking_model {
  text_side text;
  std::unique_ptr<engine> compute;
};

/// Loads the text side and starts the engine at the same time, and checks that they belong
/// together.
[[nodiscard]] result<talking_model> start_model(const engine_options& options);

/// Prints to standard output at once.
void print_now(std::string_view text);

inline constexpr std::uint32_t default_context = 8192;

} // namespace larql::cli
