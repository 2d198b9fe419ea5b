#include "runtime/text/tokenizer_sections.hpp"

#include "runtime/text/utf8.hpp"

#include <array>

namespace larql::text {

namespace {

result<bool> flag(const json_fields& fields, const char* key) {
  return fields.has(key) ? fields.boolean(key) : result<bool>{false};
}

// A pattern or a replacement is one character. The limit keeps a replacement from multiplying the
// text.
constexpr auto max_rule_bytes = std::size_t{4};

failure unsupported(const std::string& where, const char* key, std::string_view found,
                    std::string_view expected) {
  return fail(errc::unsupported, "{}: field \"{}\" is {}, only {} is supported", where, key,
              in_quotes(found), expected);
}

result<std::string> short_string(const json_fields& fields, const char* key) {
  LARQL_TRY(auto text, fields.string(key));
  if (text.size() > max_rule_bytes)
    return fail(errc::unsupported, "{}: field \"{}\" has {} bytes, at most {} are supported",
                fields.where(), key, text.size(), max_rule_bytes);
  return text;
}

// The literal string of "pattern": {"String": " "}.
result<std::string> literal_pattern(const json_fields& fields) {
  LARQL_TRY(const json* pattern, fields.object("pattern"));
  const auto inner = json_fields{*pattern, fields.where() + ".pattern"};
  if (inner.has("Regex"))
    return fail(errc::unsupported, "{}: a \"Regex\", only a \"String\" is supported",
                inner.where());
  LARQL_TRY(auto text, short_string(inner, "String"));
  if (text.empty())
    return fail(errc::corrupt, "{}: field \"String\" is empty", inner.where());
  return text;
}

result<void> expect_type(const json_fields& fields, std::string_view expected) {
  LARQL_TRY(const auto type, fields.string("type"));
  if (type != expected)
    return unsupported(fields.where(), "type", type, in_quotes(expected));
  return {};
}

result<text_replacement> read_replacement(const json_fields& fields) {
  LARQL_TRY_VOID(expect_type(fields, "Replace"));
  auto out = text_replacement{};
  LARQL_TRY(out.from, literal_pattern(fields));
  LARQL_TRY(out.to, short_string(fields, "content"));
  return out;
}

// A Replace, or a Sequence of at most one.
result<text_replacement> read_normalizer(const json& rule, const std::string& where) {
  if (rule.is_null())
    return text_replacement{};
  const auto fields = json_fields{rule, where};
  LARQL_TRY(const auto type, fields.string("type"));
  if (type != "Sequence")
    return read_replacement(fields);
  LARQL_TRY(const json* steps, fields.array("normalizers"));
  if (steps->size() > 1)
    return fail(errc::unsupported, "{}: {} steps, at most one is supported", where, steps->size());
  return steps->empty() ? result<text_replacement>{text_replacement{}}
                        : read_replacement({steps->front(), where + ".normalizers[0]"});
}

result<std::string> read_pre_tokenizer(const json& rule, const std::string& where) {
  if (rule.is_null())
    return std::string{};
  const auto fields = json_fields{rule, where};
  LARQL_TRY_VOID(expect_type(fields, "Split"));
  LARQL_TRY(const auto behavior, fields.string("behavior"));
  if (behavior != "MergedWithPrevious")
    return unsupported(where, "behavior", behavior, "\"MergedWithPrevious\"");
  if (fields.has("invert")) {
    LARQL_TRY(const auto invert, fields.boolean("invert"));
    if (invert)
      return unsupported(where, "invert", "true", "false");
  }
  return literal_pattern(fields);
}

// Gemma's sequence: Replace, ByteFallback, Fuse. Without Replace the pieces stay as they are.
result<text_replacement> read_decoder(const json& rule, const std::string& where) {
  const auto fields = json_fields{rule, where};
  LARQL_TRY_VOID(expect_type(fields, "Sequence"));
  LARQL_TRY(const json* steps, fields.array("decoders"));
  auto out = text_replacement{};
  constexpr auto tail = std::array{"ByteFallback", "Fuse"};
  const auto replaces = steps->size() == tail.size() + 1;
  if (!replaces && steps->size() != tail.size())
    return fail(errc::unsupported,
                "{}: {} steps, only Replace, ByteFallback, Fuse are supported, in this order",
                where, steps->size());
  const auto step = [&](std::size_t i) {
    return json_fields{(*steps)[i], fmt::format("{}.decoders[{}]", where, i)};
  };
  if (replaces) {
    LARQL_TRY(out, read_replacement(step(0)));
  }
  for (auto i = std::size_t{0}; i < tail.size(); ++i)
    LARQL_TRY_VOID(expect_type(step(i + (replaces ? 1 : 0)), tail[i]));
  return out;
}

result<void> read_model_rules(const json_fields& model, tokenizer_rules& out) {
  LARQL_TRY_VOID(expect_type(model, "BPE"));
  if (model.has("dropout")) {
    LARQL_TRY(const auto dropout, model.number("dropout"));
    if (dropout != 0)
      return unsupported(model.where(), "dropout", fmt::to_string(dropout), "none");
  }
  for (const auto* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (model.has(affix)) {
      LARQL_TRY(const auto text, model.string(affix));
      if (!text.empty())
        return unsupported(model.where(), affix, text, "none");
    }
  if (model.has("unk_token")) {
    LARQL_TRY(out.unknown, model.string("unk_token"));
  }
  LARQL_TRY(out.fuse_unknown, flag(model, "fuse_unk"));
  LARQL_TRY(out.byte_fallback, flag(model, "byte_fallback"));
  LARQL_TRY(out.ignore_merges, flag(model, "ignore_merges"));
  if (!out.byte_fallback && out.unknown.empty())
    return fail(errc::unsupported,
                "{}: neither \"byte_fallback\" nor \"unk_token\": characters without a token would "
                "vanish",
                model.where());
  return {};
}

// Gemma 3 has 6,415, most of them "<unusedN>".
constexpr auto max_added_tokens = std::size_t{1} << 16;

result<added_token> read_added_token(const json& entry, const std::string& where) {
  const auto fields = json_fields{entry, where};
  auto out = added_token{};
  LARQL_TRY(out.content, fields.string("content"));
  LARQL_TRY(out.id, fields.unsigned_integer("id", vocabulary::max_tokens - 1));
  LARQL_TRY(out.special, flag(fields, "special"));
  LARQL_TRY(out.normalized, flag(fields, "normalized"));
  LARQL_TRY(out.strips_left, flag(fields, "lstrip"));
  LARQL_TRY(out.strips_right, flag(fields, "rstrip"));
  LARQL_TRY(const auto single_word, flag(fields, "single_word"));
  if (single_word)
    return fail(errc::unsupported, "{}: field \"single_word\" is true, only false is supported",
                where);
  return out;
}

} // namespace

result<tokenizer_rules> read_tokenizer_rules(const json& file, const std::string& name) {
  const auto section = [&](const char* key) {
    const auto it = file.find(key);
    return it == file.end() ? json{} : *it;
  };
  auto out = tokenizer_rules{};
  LARQL_TRY(out.normalizer, read_normalizer(section("normalizer"), name + ": normalizer"));
  LARQL_TRY(out.split_after,
            read_pre_tokenizer(section("pre_tokenizer"), name + ": pre_tokenizer"));
  LARQL_TRY(out.decoder, read_decoder(section("decoder"), name + ": decoder"));
  const auto model = section("model");
  LARQL_TRY_VOID(read_model_rules({model, name + ": model"}, out));
  return out;
}

result<std::vector<added_token>> read_added_tokens(const json& list, const std::string& where) {
  auto out = std::vector<added_token>{};
  if (list.is_null())
    return out;
  if (!list.is_array())
    return fail(errc::corrupt, "{}: expected an array, found {}", where, list.type_name());
  if (list.size() > max_added_tokens)
    return fail(errc::corrupt, "{}: {} entries, expected at most {}", where, list.size(),
                max_added_tokens);
  out.reserve(list.size());
  for (auto i = std::size_t{0}; i < list.size(); ++i) {
    LARQL_TRY(auto token, read_added_token(list[i], fmt::format("{}[{}]", where, i)));
    out.push_back(std::move(token));
  }
  return out;
}

} // namespace larql::text
