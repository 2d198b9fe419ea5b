#include "tests/runtime/text/small_tokenizer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace larql::text::test {

small_tokenizer_file::small_tokenizer_file() {
  for (const auto* name : {"<pad>", "<eos>", "<bos>", "<unk>"})
    added(name);
  for (const auto* name : {"<|turn>", "<turn|>", "<|think|>", "<|tool_response>"})
    added(name);
  // As in files made from GGUF: control tokens that are not marked special.
  added("<|channel>", {{"special", false}});
  added("<channel|>", {{"special", false}});
  for (const auto* text : {"\n", "\n\n", "\n\n\n", "▁", "▁▁"})
    token(text);
  for (auto byte = 0; byte < 256; ++byte)
    token(fmt::format("<0x{:02X}>", byte));
  for (auto c = 'a'; c <= 'z'; ++c)
    token(std::string(1, c));
  merge("\n\n", "\n").merge("\n", "\n").merge("▁", "▁");
}

small_tokenizer_file& small_tokenizer_file::token(const std::string& text) {
  if (!vocab.contains(text))
    vocab[text] = vocab.size();
  return *this;
}

small_tokenizer_file& small_tokenizer_file::merge(const std::string& left,
                                                  const std::string& right) {
  token(left).token(right).token(left + right);
  merges.push_back({left, right});
  return *this;
}

small_tokenizer_file& small_tokenizer_file::added(const std::string& content) {
  return added(content, ordered{});
}

small_tokenizer_file& small_tokenizer_file::added(const std::string& content,
                                                  const ordered& fields) {
  token(content);
  auto entry = ordered{{"id", vocab[content]}, {"content", content}, {"single_word", false},
                       {"lstrip", false},      {"rstrip", false},    {"normalized", false},
                       {"special", true}};
  if (!fields.is_null())
    entry.update(fields);
  added_tokens.push_back(entry);
  return *this;
}

small_tokenizer_file::ordered small_tokenizer_file::json() const {
  const auto replace = [](const char* from, const char* to) {
    return ordered{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens},
          {"normalizer", replace(" ", "▁")},
          {"pre_tokenizer",
           {{"type", "Split"},
            {"pattern", {{"String", " "}}},
            {"behavior", "MergedWithPrevious"},
            {"invert", false}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "Sequence"},
            {"decoders", {replace("▁", " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}}}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", "<unk>"},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", true},
            {"byte_fallback", true},
            {"ignore_merges", false},
            {"vocab", vocab},
            {"merges", merges}}}};
}

std::string small_tokenizer_file::text() const {
  return json().dump();
}

tokenizer small_tokenizer_file::parse() const {
  return parse(json());
}

tokenizer small_tokenizer_file::parse(const ordered& file) {
  auto parsed = tokenizer::parse(file.dump(), "tokenizer.json");
  if (!parsed) {
    ADD_FAILURE() << parsed.error().text;
    std::abort();
  }
  return *std::move(parsed);
}

std::vector<std::string> pieces(const tokenizer& t, std::span<const token_id> tokens) {
  auto out = std::vector<std::string>{};
  for (const auto id : tokens)
    out.emplace_back(t.piece(id));
  return out;
}

std::vector<token_id> ids(const tokenizer& t, std::string_view text, control_text control) {
  auto encoded = t.encode(text, false, control);
  return encoded ? *std::move(encoded) : std::vector<token_id>{};
}

std::vector<std::string> pieces(const tokenizer& t, std::string_view text, control_text control) {
  return pieces(t, ids(t, text, control));
}

} // namespace larql::text::test
