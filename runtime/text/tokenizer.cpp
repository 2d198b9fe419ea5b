#include "runtime/text/tokenizer.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

// The byte of a token "<0x0A>".
std::optional<char> byte_of(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>')
    return std::nullopt;
  auto value = 0;
  for (const auto c : piece.substr(3, 2)) {
    const auto digit = std::string_view{"0123456789ABCDEF"}.find(c);
    if (digit == std::string_view::npos)
      return std::nullopt;
    value = value * 16 + static_cast<int>(digit);
  }
  return static_cast<char>(value);
}

/// Calls `on_match(match)` and `on_rest(text)` for the parts of a text, from left to right.
template <class Next, class OnMatch, class OnRest>
void cut(std::string_view text, Next&& next, OnMatch&& on_match, OnRest&& on_rest) {
  auto from = std::size_t{0};
  while (const auto match = next(text, from)) {
    if (match->begin > from)
      on_rest(text.substr(from, match->begin - from));
    on_match(*match);
    from = match->end;
  }
  if (from < text.size())
    on_rest(text.substr(from));
}

} // namespace

result<tokenizer> tokenizer::finish(result<tokenizer_parts> parts, std::string_view name) {
  if (!parts)
    return std::move(parts).error();
  auto out = tokenizer{};
  out.parts_ = *std::move(parts);
  const auto bos = out.find("<bos>");
  if (!bos)
    return fail(errc::unsupported, "{}: no token is \"<bos>\": not the tokenizer of a Gemma model",
                name);
  out.bos_ = *bos;
  return out;
}

result<tokenizer> tokenizer::load(const std::filesystem::path& path) {
  return finish(read_tokenizer_file(path), path.string());
}

result<tokenizer> tokenizer::parse(std::string_view json, std::string_view name) {
  return finish(parse_tokenizer_json(json, name), name);
}

result<std::vector<token_id>> tokenizer::encode(std::string_view text, bool add_bos,
                                                control_text control) const {
  if (text.size() > max_text_bytes)
    return fail(errc::usage, "the text has {} bytes, expected at most {}", text.size(),
                max_text_bytes);
  auto out = std::vector<token_id>{};
  if (add_bos)
    out.push_back(bos_);
  cut(
      text,
      [&](std::string_view t, std::size_t from) { return parts_.added.next_raw(t, from, control); },
      [&](const added_tokens::match& match) {
        const auto repeats_bos = add_bos && match.id == bos_ && out.size() == 1;
        if (!repeats_bos)
          out.push_back(match.id);
      },
      [&](std::string_view rest) { encode_stretch(rest, control, out); });
  return out;
}

void tokenizer::encode_stretch(std::string_view text, control_text control,
                               std::vector<token_id>& out) const {
  const auto normalized = parts_.rules.normalizer.apply(text);
  cut(
      std::string_view{normalized},
      [&](std::string_view t, std::size_t from) {
        return parts_.added.next_normalized(t, from, control);
      },
      [&](const added_tokens::match& match) { out.push_back(match.id); },
      [&](std::string_view rest) { encode_normalized(rest, out); });
}

void tokenizer::encode_normalized(std::string_view text, std::vector<token_id>& out) const {
  const auto& end_of_word = parts_.rules.split_after;
  while (!text.empty()) {
    auto bytes = text.size();
    if (!end_of_word.empty())
      if (const auto at = text.find(end_of_word); at != std::string_view::npos)
        bytes = at + end_of_word.size();
    const auto word = text.substr(0, bytes);
    const auto whole = parts_.rules.ignore_merges ? find(word) : std::nullopt;
    if (whole && !is_control(*whole))
      out.push_back(*whole);
    else
      parts_.merges.encode(word, out);
    text.remove_prefix(bytes);
  }
}

void tokenizer::append_bytes(token_id token, special_tokens special, std::string& out) const {
  if (token >= size()) {
    out += replacement_character;
    return;
  }
  if (special == special_tokens::skip && is_special(token))
    return;
  const auto piece = parts_.tokens.piece(token);
  if (const auto byte = byte_of(piece))
    out += *byte;
  else
    out += parts_.rules.decoder.apply(piece);
}

std::string tokenizer::decode(std::span<const token_id> tokens, special_tokens special) const {
  auto bytes = std::string{};
  for (const auto token : tokens)
    append_bytes(token, special, bytes);
  auto out = std::string{};
  auto repair = utf8_repair{};
  repair.append(bytes, out);
  repair.flush(out);
  return out;
}

} // namespace larql::text
