// A tokenizer.json of Gemma's form with a handful of tokens, made in memory for tests.

#pragma once

#include "runtime/text/tokenizer.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::text::test {

/// Builds the file: tokens get ids in the order of their first mention.
class small_tokenizer_file {
public:
  using ordered = nlohmann::ordered_json;

  small_tokenizer_file();

  small_tokenizer_file& token(const std::string& text);

  /// The next merge by rank; its three tokens are added where they are missing.
  small_tokenizer_file& merge(const std::string& left, const std::string& right);

  /// An added token, special unless `fields` say otherwise.
  small_tokenizer_file& added(const std::string& content);
  small_tokenizer_file& added(const std::string& content, const ordered& fields);

  [[nodiscard]] ordered json() const;
  [[nodiscard]] std::string text() const;

  /// Failing ends the test program.
  [[nodiscard]] tokenizer parse() const;
  [[nodiscard]] static tokenizer parse(const ordered& file);

  ordered vocab = ordered::object();
  ordered merges = ordered::array();
  ordered added_tokens = ordered::array();
};

/// The tokens of a text as the file spells them.
[[nodiscard]] std::vector<std::string> pieces(const tokenizer& t, std::span<const token_id> tokens);

[[nodiscard]] std::vector<token_id> ids(const tokenizer& t, std::string_view text,
                                        control_text control = control_text::becomes_tokens);

[[nodiscard]] std::vector<std::string> pieces(const tokenizer& t, std::string_view text,
                                              control_text control = control_text::becomes_tokens);

using strings = std::vector<std::string>;

} // namespace larql::text::test
