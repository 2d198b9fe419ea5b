#include "tests/bench/synthetic_vocabulary.hpp"

#include "tests/support/random_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <unordered_set>

namespace larql::bench {

namespace {

constexpr std::string_view blank = "▁";

std::string word(test::random_source& random) {
  constexpr std::string_view vowels = "aeiouy", consonants = "bcdfghklmnprstvwz";
  static const auto foreign = std::vector<std::string>{
      "é", "ü", "ø", "ß", "ж", "к", "о", "в", "中", "国", "的", "ي", "م", "あ", "の", "한"};
  const auto kind = random.below(10);
  auto out = std::string{};
  for (auto n = 1 + random.below(6); n > 0; --n) {
    if (kind < 3) {
      out += foreign[random.below(static_cast<std::uint32_t>(foreign.size()))];
      continue;
    }
    out += consonants[random.below(std::uint32_t{consonants.size()})];
    out += vowels[random.below(std::uint32_t{vowels.size()})];
    if (random.below(3) == 0)
      out += consonants[random.below(std::uint32_t{consonants.size()})];
  }
  if (kind == 9 && out[0] >= 'a')
    out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

std::string escaped(std::string_view text) {
  auto out = std::string{};
  for (const auto c : text) {
    if (c == '"' || c == '\\')
      out += '\\';
    out += c == '\n' ? std::string{"\\n"} : std::string(1, c);
  }
  return out;
}

} // namespace

text::tokenizer synthetic_vocabulary(std::size_t tokens) {
  auto random = test::random_source{11};
  auto vocab = std::string{}, added = std::string{};
  auto seen = std::unordered_set<std::string>{};
  const auto add = [&](const std::string& piece) {
    if (seen.size() < tokens && seen.insert(piece).second)
      vocab +=
          fmt::format("{}\"{}\":{}", seen.size() > 1 ? "," : "", escaped(piece), seen.size() - 1);
  };
  for (const auto* name :
       {"<pad>", "<eos>", "<bos>", "<unk>", "<|turn>", "<turn|>", "<|channel>", "<channel|>",
        "<|tool_call>", "<tool_call|>", "<|tool_response>", "<|\"|>"}) {
    add(name);
    added += fmt::format("{}{{\"id\":{},\"content\":\"{}\",\"special\":true}}",
                         added.empty() ? "" : ",", seen.size() - 1, escaped(name));
  }
  for (auto byte = 0; byte < 256; ++byte)
    add(fmt::format("<0x{:02X}>", byte));
  for (auto c = ' '; c < 127; ++c)
    add(c == ' ' ? std::string{blank} : std::string(1, c));
  for (auto n = std::size_t{1}; n < 32; ++n) {
    add(std::string(n, '\n'));
    auto blanks = std::string{};
    for (auto i = std::size_t{0}; i < n; ++i)
      blanks += blank;
    add(blanks);
  }
  const auto marks =
      std::vector<std::string>{"\"",   "\":", "\",", "\"}", "{\"", "[\"", "},",  "\"],",
                               "\\\"", "\\n", ".",   ",",   "!",   "://", "=\"", "();"};
  for (const auto& mark : marks)
    for (const auto& other : marks)
      add(mark + other);
  while (seen.size() < tokens) {
    auto piece = word(random);
    const auto kind = random.below(100);
    if (kind < 45)
      piece = std::string{blank} + piece;
    else if (kind < 47)
      piece = marks[random.below(static_cast<std::uint32_t>(marks.size()))] + piece;
    else if (kind < 48)
      piece += marks[random.below(static_cast<std::uint32_t>(marks.size()))];
    add(piece);
  }
  return *text::tokenizer::parse(
      fmt::format(
          R"({{"added_tokens":[{}],"normalizer":{{"type":"Replace","pattern":{{"String":" "}},)"
          R"("content":"▁"}},"decoder":{{"type":"Sequence","decoders":[{{"type":"Replace",)"
          R"("pattern":{{"String":"▁"}},"content":" "}},{{"type":"ByteFallback"}},)"
          R"({{"type":"Fuse"}}]}},"model":{{"type":"BPE","unk_token":"<unk>",)"
          R"("byte_fallback":true,"vocab":{{{}}},"merges":[]}}}})",
          added, vocab),
      "tokenizer.json");
}

std::vector<text::token_id> longest_tokens(const text::tokenizer& tokens, std::string_view text) {
  auto out = std::vector<text::token_id>{};
  while (!text.empty()) {
    for (auto n = std::min<std::size_t>(text.size(), 24);; --n) {
      auto piece = std::string{};
      for (const auto c : text.substr(0, n))
        piece += c == ' ' ? std::string{blank} : std::string(1, c);
      const auto id = tokens.find(piece);
      if (!id && n > 1)
        continue;
      out.push_back(
          id ? *id : *tokens.find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(text[0]))));
      text.remove_prefix(n);
      break;
    }
  }
  return out;
}

} // namespace larql::bench
