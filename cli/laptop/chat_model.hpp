// What `run` and `chat` share: the flags of an answer, and the text side of a model.

#pragma once

#include "cli/laptop/answer_printer.hpp"
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
  std::string system;
  bool thinking = false;
  bool show_special = false;
  bool quiet = false;
  generate::sampling_options sampling;
  std::optional<std::uint32_t> top_k;
  std::optional<float> top_p;
};

void add_answer_options(command_parser& command, answer_flags& flags);

/// Tokenizer, chat template and defaults of a vindex.
struct text_assets {
  text::tokenizer tokens;
  text::generation_config defaults;
  std::optional<text::chat_template> format; ///< absent: the vindex has no template

  [[nodiscard]] static result<text_assets> load(const std::filesystem::path& vindex);

  /// The flags' sampling with the model's defaults where nothing was said; checked.
  [[nodiscard]] result<generate::sampling_options> sampling(const answer_flags& flags) const;
};

struct chat_model {
  text_assets text;
  std::unique_ptr<local_runtime> compute;
};

/// Loads the text assets and starts the local runtime at the same time, and checks that they belong
/// together.
[[nodiscard]] result<chat_model> start_model(const runtime_options& options,
                                             const std::stop_token& stop);

} // namespace larql::cli
