// Added tokens: spellings that are one token wherever they occur, cut out of a text before BPE.
//
// Gemma's control tokens ("<bos>", "<|turn>") are of this kind. Most added tokens are looked for in
// the raw text; those marked `normalized` in the normalised one, where their own spelling is
// normalised too (tokenizers of fine-tuned models have some).
//
// A control token is one that only a template or the model itself may produce: marked `special` in
// the file, or spelled like "<|x>" or "<x|>". The spelling counts because files disagree on the
// mark of the channel and tool tokens, and content of a chat must never turn into any of them.
//
// HF's `single_word` is not supported (tokenizer_sections.cpp): it needs tables of word characters
// that no Gemma tokenizer has used.
//
// Errors    Empty, overlong or repeated spellings.
// Threads   Immutable after building.

#pragma once

#include "runtime/text/token_finder.hpp"
#include "runtime/text/tokenizer_rules.hpp"
#include "runtime/text/vocabulary.hpp"

namespace larql::text {

/// What a text that spells a control token means.
enum class control_text : unsigned char {
  becomes_tokens, ///< The token: for text of a template, and for raw prompts that may use them.
  stays_text,     ///< Its characters: whatever comes from a user, a file or a peer.
};

struct added_token {
  std::string content;
  std::uint64_t id = 0;
  bool special = false;
  bool normalized = false;   // looked for after normalising
  bool strips_left = false;  // takes the white space before it
  bool strips_right = false; // and after it
};

class added_tokens {
public:
  /// @pre every id is below `vocabulary_size`
  [[nodiscard]] static result<added_tokens> build(std::vector<added_token> tokens,
                                                  const text_replacement& normalizer,
                                                  std::size_t vocabulary_size);

  struct match {
    std::size_t begin; // in bytes
    std::size_t end;
    token_id id;
  };
  /// The first match at or after `from` among the tokens looked for in raw text.
  [[nodiscard]] std::optional<match> next_raw(std::string_view text, std::size_t from,
                                              control_text control) const noexcept;
  /// The same among those looked for in normalised text.
  [[nodiscard]] std::optional<match> next_normalized(std::string_view text, std::size_t from,
                                                     control_text control) const noexcept;

  [[nodiscard]] bool is_special(token_id id) const noexcept { return special_[id]; }
  [[nodiscard]] bool is_control(token_id id) const noexcept { return control_[id]; }

private:
  struct finder_pair {
    token_finder all;
    token_finder without_control;
  };

  [[nodiscard]] std::optional<match> next(const finder_pair& finders, std::string_view text,
                                          std::size_t from, control_text control) const noexcept;

  std::vector<added_token> tokens_;
  finder_pair raw_;
  finder_pair normalized_;
  std::vector<bool> special_; // by token id
  std::vector<bool> control_;
};

} // namespace larql::text
