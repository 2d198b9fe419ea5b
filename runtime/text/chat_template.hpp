// Gemma 4's chat format: messages to the prompt of the model.
//
//   <bos><|turn>system\nBe brief.<turn|>\n<|turn>user\nHi<turn|>\n
//   <|turn>model\n<|channel>thought\n<channel|>
//
// The format is written here; the model's own chat_template.jinja is not run, only asked which of
// its revisions it is. A prompt goes straight to tokens: control tokens come from this file alone,
// and content stays text, so that no message can end its turn or open another.
//
// Not rendered: tools, images, audio.
//
// Errors    A template of another format is `unsupported`; no messages, or a system message that is
//           not the first, is `usage`; a tokenizer without a control token is `mismatch`.
// Threads   Plain values.
// Source    The chat templates published with the models (launch and second revision).

#pragma once

#include "runtime/text/tokenizer.hpp"

namespace larql::text {

enum class chat_role : unsigned char { system, user, model };

/// system and developer, user, assistant and model.
[[nodiscard]] result<chat_role> parse_chat_role(std::string_view name);

struct chat_message {
  chat_role role;
  std::string content; // trimmed when rendered; of the model: thoughts are left out
};

struct chat_options {
  bool thinking = false;         // the model may think before it answers
  bool generation_prompt = true; // opens the turn that the model is to fill
};

/// What revisions of the template do differently. The defaults are those of the larger models since
/// the second revision.
struct chat_template {
  bool newline_after_think = true;   // the launch revision has none
  bool empty_thought_channel = true; // in the generation prompt, when thinking is off; the smaller
                                     // models' templates have none

  /// Which revision the text of a chat_template.jinja is; `name` stands for the file in messages.
  [[nodiscard]] static result<chat_template> detect(std::string_view jinja, std::string_view name);

  [[nodiscard]] result<std::vector<token_id>> render(std::span<const chat_message> messages,
                                                     const chat_options& options,
                                                     const tokenizer& tokens) const;

  /// The same prompt as text, for people. Encoding it again is not safe: content may spell control
  /// tokens.
  [[nodiscard]] result<std::string> render_text(std::span<const chat_message> messages,
                                                const chat_options& options) const;
};

} // namespace larql::text
