// Gemma 4's chat format: messages to the prompt of the model.
//
//   <bos><|turn>system\nBe brief.<turn|>\n<|turn>user\nHi<turn|>\n
//   <|turn>model\n<|channel>thought\n<channel|>
//
// The format is written here; the model's own chat_template.jinja is not run, only asked which of
// its revisions it is. A prompt goes straight to tokens: control tokens come from this file alone,
// and content stays text, so that no message can end its turn or open another.
//
// Tools are declared in the system's turn; calls and their results are part of the model's turn:
//
//   <|turn>model\n<|tool_call>call:weather{city:<|"|>Rome<|"|>}<tool_call|>
//   <|tool_response>response:weather{value:<|"|>sunny<|"|>}<tool_response|>It is sunny.<turn|>\n
//
// Not rendered: images, audio.
//
// Errors    A template of another format is `unsupported`; no messages, a result of no call, a tool
//           or a call that cannot be written are `usage`, naming the message; a tokenizer without a
//           control token is `mismatch`.
// Threads   Plain values.
// Source    The chat templates published with the models (four revisions).

#pragma once

#include "runtime/text/chat_message.hpp"
#include "runtime/text/tokenizer.hpp"

#include <cstddef>

namespace larql::text {

struct chat_options {
  bool thinking = false;         // the model may think before it answers
  bool generation_prompt = true; // opens the turn that the model is to fill
  std::vector<tool_definition> tools{};
  // A last message of the model is not closed: the model goes on behind its text. It stands behind
  // the generation prompt. Ignored if the last message is another, or has tool calls.
  bool continue_answer = false;
};

/// A prompt and what its parts are.
struct chat_prompt {
  std::vector<token_id> tokens;
  /// Tokens of <bos> and the system's turn with its tools; 0: there is no such turn.
  std::size_t system_end = 0;
  /// Tokens up to the end of each later turn that is closed, ascending. A prompt of the same
  /// conversation with more messages is likely to be the same up to one of these.
  std::vector<std::size_t> turn_ends;
  /// The prompt ends inside a thought that it opened: what comes first is thought.
  bool in_thought = false;
};

/// Which revision of the template. What differs between them is listed in chat_writer.cpp.
enum class template_revision : unsigned char {
  launch,      ///< 12 KB, April 2026
  interleaved, ///< 12.7 KB: tool results in turns of their own, reasoning between calls
  second,      ///< 16 KB
  canonical    ///< 18 KB: prompt-opened thoughts behind tool results
};

/// What revisions of the template do differently. The defaults are those of the larger models'
/// canonical revision.
struct chat_template {
  bool newline_after_think = true;   // the launch revision has none
  bool empty_thought_channel = true; // in the generation prompt, when thinking is off; the smaller
                                     // models' templates have none
  template_revision revision = template_revision::canonical;

  /// Which revision the text of a chat_template.jinja is; `name` stands for the file in messages.
  [[nodiscard]] static result<chat_template> detect(std::string_view jinja, std::string_view name);

  /// The prompt's tokens, and where its parts end.
  [[nodiscard]] result<chat_prompt> render_prompt(std::span<const chat_message> messages,
                                                  const chat_options& options,
                                                  const tokenizer& tokens) const;
  /// The tokens alone.
  [[nodiscard]] result<std::vector<token_id>> render(std::span<const chat_message> messages,
                                                     const chat_options& options,
                                                     const tokenizer& tokens) const;

  /// The same prompt as text, for people. Encoding it again is not safe: content may spell control
  /// tokens.
  [[nodiscard]] result<std::string> render_text(std::span<const chat_message> messages,
                                                const chat_options& options) const;
};

} // namespace larql::text
