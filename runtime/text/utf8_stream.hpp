// Text of a growing list of tokens, as it is shown while a model generates.
//
// A token may hold a part of a character: what is not complete yet is held back, at most 3 bytes.
// All that append() and flush() return, joined, is what tokenizer::decode returns for all tokens.
//
// Owner     A value: it can be copied, put back and compared. Refers to a tokenizer that must live
//           longer.
// Errors    None: bytes that can no longer become a character show as U+FFFD.
// Threads   One thread at a time.

#pragma once

#include "runtime/text/tokenizer.hpp"
#include "runtime/text/utf8.hpp"

namespace larql::text {

class utf8_stream {
public:
  explicit utf8_stream(const tokenizer& tokens, special_tokens special = special_tokens::keep)
      : tokens_(&tokens), special_(special) {}

  /// The text that is certain with this token.
  [[nodiscard]] std::string append(token_id token);
  /// Ends the text: what was held back shows as U+FFFD. Afterwards a new text may begin.
  [[nodiscard]] std::string flush();

  [[nodiscard]] special_tokens special() const noexcept { return special_; }

  friend bool operator==(const utf8_stream&, const utf8_stream&) = default;

private:
  const tokenizer* tokens_;
  special_tokens special_;
  utf8_repair repair_;
};

} // namespace larql::text
