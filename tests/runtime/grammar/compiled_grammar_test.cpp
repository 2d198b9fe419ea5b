// Mirrors runtime/grammar/compiled_grammar.hpp: tokens that may follow, and what a bound leaves
// out.

#include "runtime/grammar/compiled_grammar.hpp"

#include "tests/runtime/grammar/grammar_testing.hpp"
#include "tests/runtime/text/chat_tokenizer.hpp"

namespace larql::grammar {
namespace {

const text::tokenizer& tokens() {
  static const auto t = text::test::chat_tokenizer();
  return t;
}
std::shared_ptr<const vocabulary_trie> trie() {
  static const auto t = std::make_shared<const vocabulary_trie>(tokens());
  return t;
}

compiled_grammar compiled(std::string_view schema,
                          std::uint64_t max_work = compiled_grammar::default_max_work) {
  return {*test::network_of_schema(schema), trie(), max_work};
}

using bits = std::vector<std::uint64_t>;

bool has(const bits& b, std::uint32_t token) {
  return (b[token / 64] >> token % 64 & 1) != 0;
}

/// Token by token, without the tree.
bits one_by_one(compiled_grammar& g, const place& at) {
  auto out = bits((tokens().size() + 63) / 64);
  auto symbols = std::vector<symbol>{};
  for (auto id = 0u; id < tokens().size(); ++id) {
    trie()->symbols_of(id, symbols);
    if (!symbols.empty() && !g.after(at, symbols).positions.empty())
      out[id / 64] |= std::uint64_t{1} << id % 64;
  }
  return out;
}

/// Strings of many lengths and patterns at once: every step has hundreds of positions.
std::string many_at_once() {
  auto out = std::string{R"({"anyOf":[)"};
  for (auto i = 0; i < 60; ++i)
    out += fmt::format(
        R"({}{{"type":"string","minLength":{},"maxLength":{}}},{{"type":"string","pattern":"{}.*{}$"}})",
        i > 0 ? "," : "", i, 200 - i, static_cast<char>('a' + i % 26), i);
  return out + "]}";
}

TEST(CompiledGrammar, TheWalkFindsWhatTokensOneByOneAre) {
  auto wide = std::string{R"({"type":"object","properties":{)"};
  for (auto i = 0; i < 60; ++i)
    wide += fmt::format(R"({}"f{}":{{"type":"string"}})", i > 0 ? "," : "", i);
  struct example {
    std::string schema, value;
  };
  for (const auto& [schema, value] : {
           example{R"({"type":"string","pattern":"^([A-Z][a-z]+ ){1,40}[0-9]{2,12}$"})",
                   R"("Ab Cde 12)"},
           example{R"({"type":"string","pattern":"(a|b.*c)+[^x-z]$"})", R"("xabc)"},
           example{R"({"type":"array","items":{"type":"number","minimum":-1.5,"maximum":99}})",
                   "[-1,9"},
           example{wide + "}}", R"({"f1":"a","f2)"},
           example{many_at_once(), R"("ab)"},
       }) {
    auto g = compiled(schema);
    for (auto length = std::size_t{0}; length <= value.size(); ++length) {
      const auto at = g.near_place(g.after(g.start(), test::symbols_of(value.substr(0, length))));
      ASSERT_FALSE(at.positions.empty()) << schema << " " << length;
      EXPECT_EQ(g.tokens_at(at), one_by_one(g, at)) << schema << " " << length;
    }
  }
}

TEST(CompiledGrammar, ABoundLeavesOutTokensLongOnesFirst) {
  auto whole = compiled(many_at_once());
  const auto at = whole.near_place(whole.after(whole.start(), test::symbols_of("\"ab")));
  const auto all = whole.tokens_at(at);
  auto symbols = std::vector<symbol>{};
  auto only_long_ones = 0;
  for (auto work = 10'000.0; work < 1e6; work *= 1.05) {
    auto bounded = compiled(many_at_once(), static_cast<std::uint64_t>(work));
    const auto few = bounded.tokens_at(at);
    auto left_out = std::array<int, 2>{}; // of one symbol, of several
    for (auto id = 0u; id < tokens().size(); ++id) {
      EXPECT_TRUE(!has(few, id) || has(all, id)) << tokens().piece(id);
      trie()->symbols_of(id, symbols);
      left_out[symbols.size() > 1] += has(few, id) != has(all, id);
    }
    only_long_ones += left_out[0] == 0 && left_out[1] > 0;
  }
  EXPECT_GT(only_long_ones, 0);
}

TEST(CompiledGrammar, WhatABoundLeavesOutDependsOnThePlaceAlone) {
  auto fresh = compiled(many_at_once(), 100'000), used = compiled(many_at_once(), 100'000);
  const auto at = used.near_place(used.after(used.start(), test::symbols_of("\"ab")));
  for (const auto* before : {"", "\"", "\"a", "\"abc", "\"ab"})
    (void) used.tokens_at(used.after(used.start(), test::symbols_of(before)));
  (void) one_by_one(used, at);
  EXPECT_EQ(used.tokens_at(at), fresh.tokens_at(at));
}

TEST(CompiledGrammar, WithoutAnyWorkATokenIsFound) {
  auto g = compiled(R"({"type":"string"})", 0);
  EXPECT_TRUE(has(g.tokens_at(g.start()), *tokens().find("\"")));
}

} // namespace
} // namespace larql::grammar
