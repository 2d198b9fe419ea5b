// Reads what Gemma 4 writes: tells thoughts, text and tool calls apart, token by token.
//
//   <|channel>thought\n…\n<channel|>It is sunny.
//   <|tool_call>call:weather{city:<|"|>Rome<|"|>,days:[1,2]}<tool_call|>
//
// becomes thought "…", content "It is sunny.", and a call of weather with the arguments
// {"city":"Rome","days":[1,2]}.
//
// Only control tokens structure the output: text that merely spells one ("<|channel>") is text. No
// control token shows in any event. Text that may still turn out to belong to a tag (the name of a
// channel, "call:weather{", the line break before <channel|>) is held back until that is certain,
// and so is a part of a character.
//
// Arguments come as pieces of JSON text. All pieces of a call that has ended, joined, are one valid
// JSON object, however the model wrote it: what it left open is closed, a bare word becomes a
// string, and strings in "" are taken as JSON's. What follows a tool call and is not a call is
// content as any other.
//
// Owner     A value: it can be copied, put back and compared, so that drafts can be tried. Refers
//           to a tokenizer that must live longer.
// Errors    None: every sequence of tokens means something.
// Threads   One at a time.

#pragma once

#include "runtime/text/call_arguments.hpp"
#include "runtime/text/tokenizer.hpp"
#include "runtime/text/utf8.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace larql::text {

/// What a token of the output belongs to.
enum class output_part : std::uint8_t {
  content,
  thought, ///< the channel's tokens included
  call     ///< a tool call's tokens, the control tokens included
};

/// A piece of what the output means. Pieces of one kind in a row may be joined.
struct output_event {
  enum class kind : std::uint8_t {
    content,        ///< text
    thought,        ///< text
    call_begin,     ///< text is the name of the tool
    call_arguments, ///< text is the next piece of the arguments' JSON
    call_end        ///< the arguments are whole
  };
  kind what = kind::content;
  std::string text{};
  std::uint32_t call = 0; ///< of call events: number of the call in this output, from 0

  friend bool operator==(const output_event&, const output_event&) = default;
};

class output_reader {
public:
  /// `in_thought`: the prompt has opened a thought (chat_prompt::in_thought).
  explicit output_reader(const tokenizer& tokens, bool in_thought = false);

  /// The next token; adds the events that are certain with it.
  void append(token_id token, std::vector<output_event>& out);
  void append(std::span<const token_id> tokens, std::vector<output_event>& out);
  /// The output has ended, wherever it was: adds what was held back. A call that is open stays
  /// without its call_end. Once, at the end.
  void finish(std::vector<output_event>& out);

  /// What the last token belonged to; what comes next, before the first.
  [[nodiscard]] output_part part() const noexcept { return part_; }
  /// Tokens that belonged to thoughts so far.
  [[nodiscard]] std::size_t thought_tokens() const noexcept { return thought_tokens_; }
  /// Calls that have begun.
  [[nodiscard]] std::uint32_t calls() const noexcept { return calls_; }
  [[nodiscard]] bool in_thought() const noexcept {
    return mode_ == mode::channel_name || mode_ == mode::thought;
  }
  [[nodiscard]] bool in_call() const noexcept {
    return mode_ == mode::call_name || mode_ == mode::arguments;
  }

  friend bool operator==(const output_reader&, const output_reader&) = default;

private:
  /// What text means that comes now.
  enum class mode : std::uint8_t {
    content,
    channel_name, ///< "thought\n"
    thought,
    call_name, ///< "call:weather{"
    arguments, ///< and what follows them up to the end of the call
    turn_name, ///< "model\n" behind a turn that the model opened itself
    response   ///< of a tool, made up by the model: it is dropped
  };
  /// The control tokens that structure an output.
  enum class tag : std::uint8_t {
    none, ///< text
    other,
    channel_begin,
    channel_end,
    call_begin,
    call_end,
    quote,
    response_begin,
    response_end,
    turn_begin,
    count
  };
  using events = std::vector<output_event>;

  [[nodiscard]] tag tag_of(token_id token) const noexcept;
  void on_tag(tag t, events& out);
  void on_text(std::string_view text, events& out);
  void name_of_channel(std::string_view text, events& out);
  void thought_text(std::string_view text, events& out);
  void name_of_call(std::string_view text, events& out);
  void begin_call(std::string_view name, events& out);
  void argument_text(std::string_view text, events& out);
  /// Ends what is open: a thought, or a call.
  void close(events& out);
  void flush(events& out);
  void leave_call_name(events& out);
  void emit(output_event::kind what, std::string_view text, events& out) const;

  const tokenizer* tokens_;
  std::array<std::optional<token_id>, static_cast<std::size_t>(tag::count)> tags_{};
  mode mode_ = mode::content;
  output_part part_ = output_part::content;
  utf8_repair repair_;
  std::string held_; // text that may belong to a tag
  call_arguments arguments_;
  std::uint32_t calls_ = 0;
  std::size_t thought_tokens_ = 0;
};

} // namespace larql::text
