// Mirrors runtime/grammar/vocabulary_trie.hpp, token_mask.hpp and mask_cache.hpp.

#include "runtime/grammar/compiled_grammar.hpp"
#include "runtime/grammar/mask_cache.hpp"
#include "tests/runtime/grammar/grammar_testing.hpp"
#include "tests/runtime/text/chat_tokenizer.hpp"

namespace larql::grammar {
namespace {

const text::tokenizer& tokens() {
  static const auto t = text::test::chat_tokenizer();
  return t;
}

std::vector<std::uint64_t> bits_of(const std::vector<std::uint32_t>& list, std::size_t n) {
  auto out = std::vector<std::uint64_t>((n + 63) / 64);
  for (const auto token : list)
    out[token / 64] |= std::uint64_t{1} << token % 64;
  return out;
}

TEST(VocabularyTrie, HasEveryTokenThatIsText) {
  const auto trie = vocabulary_trie{tokens()};
  auto found = std::vector<std::uint32_t>{};
  auto path = std::vector<symbol>{};
  for (auto i = std::size_t{0}; i < trie.all().size(); ++i) {
    const auto& node = trie.all().nodes[i];
    EXPECT_GT(node.end, i);
    path.resize(node.depth);
    path.push_back(node.s);
    for (const auto token : trie.all().tokens_of(i)) {
      auto symbols = std::vector<symbol>{};
      trie.symbols_of(token, symbols);
      EXPECT_EQ(symbols, path) << tokens().piece(token);
      found.push_back(token);
    }
  }
  std::sort(found.begin(), found.end());
  auto expected = std::vector<std::uint32_t>{};
  for (auto id = 0u; id < tokens().size(); ++id)
    if (!tokens().is_control(id) || tokens().piece(id) == "<|\"|>" ||
        tokens().piece(id) == "<tool_call|>")
      expected.push_back(id);
  EXPECT_EQ(found, expected);
}

// The short way through free text gives what a walk of the whole tree gives.
TEST(VocabularyTrie, PlainTextAndTheOthersAreTheWhole) {
  const auto trie = std::make_shared<const vocabulary_trie>(tokens());
  const auto compiled = [&](const char* schema, value_style style) {
    return compiled_grammar{*test::network_of_schema(schema, style), trie};
  };
  for (const auto style : {value_style::json, value_style::call})
    for (
        const auto* schema :
        {R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"]})",
         R"({"type":"object","properties":{"a":{"type":"string","maxLength":50}},"required":["a"]})",
         R"({"type":"object","properties":{"a":{"type":"string","maxLength":3}},"required":["a"]})"}) {
      auto g = compiled(schema, style);
      const auto begin = style == value_style::json ? std::string{"{\"a\":\"x"} : "{a:<|\"|>x";
      const auto at = g.near_place(g.after(g.start(), test::symbols_of(begin)));
      ASSERT_FALSE(at.positions.empty());
      const auto found = g.tokens_at(at);
      auto expected = std::vector<std::uint32_t>{};
      auto symbols = std::vector<symbol>{};
      for (auto id = 0u; id < tokens().size(); ++id) {
        trie->symbols_of(id, symbols);
        if (!symbols.empty() && !g.after(at, symbols).positions.empty())
          expected.push_back(id);
      }
      EXPECT_EQ(found, bits_of(expected, tokens().size())) << schema;
    }
}

TEST(TokenMask, ListsAndBitsAllowTheSame) {
  const auto n = std::size_t{10'000};
  auto list = std::vector<std::uint32_t>{};
  for (auto i = 3u; i < n; i += 4)
    list.push_back(i);
  const auto bits = token_mask::of_bits(bits_of(list, n), n);
  const auto as_list = token_mask::of_list(list, n);
  EXPECT_FALSE(bits.is_list());
  EXPECT_EQ(bits.count(), list.size());
  EXPECT_EQ(bits.first(), 3u);
  EXPECT_EQ(as_list.first(), 3u);
  for (auto i = 0u; i < n + 100; ++i)
    EXPECT_EQ(bits.allows(i), as_list.allows(i)) << i;
  const auto few = token_mask::of_bits(bits_of({1, 64, 9999}, n), n);
  EXPECT_TRUE(few.is_list());
  EXPECT_EQ(few, token_mask::of_list({1, 64, 9999}, n));
}

TEST(MaskCache, TheLeastRecentlyUsedGoFirst) {
  const auto mask = std::make_shared<const token_mask>(
      token_mask::of_list(std::vector<std::uint32_t>(100, 0), 1));
  const auto each = [&] {
    auto one = mask_cache{1 << 20};
    one.put("a", mask);
    return one.bytes();
  }();
  auto cache = mask_cache{3 * each};
  for (const auto* key : {"a", "b", "c"})
    cache.put(key, mask);
  EXPECT_NE(cache.find("a"), nullptr);
  cache.put("d", mask);
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_NE(cache.find("a"), nullptr);
  EXPECT_NE(cache.find("d"), nullptr);
  EXPECT_LE(cache.bytes(), 3 * each);
  auto none = mask_cache{10};
  none.put("a", mask);
  EXPECT_EQ(none.bytes(), 0u);
}

} // namespace
} // namespace larql::grammar
