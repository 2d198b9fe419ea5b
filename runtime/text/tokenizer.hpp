// The tokenizer of a Gemma model: text to tokens and back, as its tokenizer.json says.
//
// encode: added tokens are cut out of the raw text, leftmost and longest; what lies between them is
// normalised (" " becomes "▁") and merged by rank, each stretch as a whole; what has no token is
// spelled in byte tokens.
// decode: the pieces one after the other, "▁" as " ", byte tokens as their bytes; the whole is made
// valid UTF-8.
//
// Owner     Holds everything; the file is not needed after loading. About 30 MB for Gemma.
// Errors    A damaged file, or one with rules beyond these, fails to load with a message that names
//           the field. Text of more than max_text_bytes is refused. Decoding cannot fail.
// Threads   Immutable: any number of threads may use one tokenizer.
// Source    tokenizer.json as Gemma ships it; agreement with npm @huggingface/tokenizers is a test.

#pragma once

#include "runtime/text/tokenizer_json.hpp"

#include <span>

namespace larql::text {

/// Whether control tokens show in decoded text.
enum class special_tokens : unsigned char { keep, skip };

class tokenizer {
public:
  /// Many times what fits the longest context, 262,144 tokens.
  static constexpr std::size_t max_text_bytes = 16u << 20;

  [[nodiscard]] static result<tokenizer> load(const std::filesystem::path& path);
  /// `name` stands for the file in messages.
  [[nodiscard]] static result<tokenizer> parse(std::string_view json, std::string_view name);

  /// With `add_bos` exactly one <bos> comes first, also if the text itself begins with it. Bytes
  /// that are not UTF-8 become byte tokens.
  [[nodiscard]] result<std::vector<token_id>> encode(std::string_view text, bool add_bos,
                                                     control_text control) const;

  /// Tokens beyond the vocabulary show as U+FFFD.
  [[nodiscard]] std::string decode(std::span<const token_id> tokens,
                                   special_tokens special = special_tokens::keep) const;

  /// The bytes of one token as decode() joins them; they may be a part of a character.
  void append_bytes(token_id token, special_tokens special, std::string& out) const;

  [[nodiscard]] std::size_t size() const noexcept { return parts_.tokens.size(); }
  [[nodiscard]] std::optional<token_id> find(std::string_view piece) const noexcept {
    return parts_.tokens.find(piece);
  }
  /// The token as the file spells it.
  /// @pre token < size()
  [[nodiscard]] std::string_view piece(token_id token) const {
    LARQL_CHECK(token < size());
    return parts_.tokens.piece(token);
  }
  /// Marked `special` in the file.
  [[nodiscard]] bool is_special(token_id token) const noexcept {
    return token < size() && parts_.added.is_special(token);
  }
  /// Special or spelled like a control token: never made from text that stays text.
  [[nodiscard]] bool is_control(token_id token) const noexcept {
    return token < size() && parts_.added.is_control(token);
  }
  [[nodiscard]] token_id bos() const noexcept { return bos_; }

private:
  [[nodiscard]] static result<tokenizer> finish(result<tokenizer_parts> parts,
                                                std::string_view name);
  void encode_stretch(std::string_view text, control_text control,
                      std::vector<token_id>& out) const;
  void encode_normalized(std::string_view text, std::vector<token_id>& out) const;

  tokenizer_parts parts_;
  token_id bos_ = 0;
};

} // namespace larql::text
