// What `run` and `chat` share: the flags of an answer, and the text side of a model.

#pragma once

#include "cli/laptop/local_runtime.hpp"
#include "runtime/generate/answer.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/generation_config.hpp"
#include "runtime/text/terminal_text.hpp"
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

/// Prints to standard output at once.
void print_now(std::string_view text);

/// Prints the text of a model as it comes: on a terminal without what would change the terminal.
class answer_printer {
public:
  answer_printer();
  void print(std::string_view piece);
  /// The last piece, and the end of the line.
  void finish(std::string_view piece);

private:
  bool terminal_;
  text::terminal_text filter_;
};

inline constexpr std::uint32_t default_context = 8192;

} // namespace larql::cli
