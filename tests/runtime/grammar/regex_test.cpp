// Mirrors runtime/grammar/regex.hpp.

#include "tests/runtime/grammar/grammar_testing.hpp"
#include "tests/support/failures.hpp"

namespace larql::grammar {
namespace {

using larql::test::fails;

result<network> compiled(std::string_view expression, value_style style = value_style::call) {
  auto net = network_builder{};
  LARQL_TRY(const auto start, add_regex(net, expression, style, net.end()));
  return net.finish(start);
}

void check(std::string_view expression, std::initializer_list<std::string_view> good,
           std::initializer_list<std::string_view> bad) {
  auto net = compiled(expression);
  ASSERT_TRUE(net) << expression << ": " << net.error().text;
  auto r = test::recognizer{*std::move(net)};
  for (const auto text : good)
    EXPECT_TRUE(r.accepts(text)) << expression << " should match " << text;
  for (const auto text : bad)
    EXPECT_FALSE(r.accepts(text)) << expression << " should not match " << text;
}

TEST(Regex, PartsAndRepetitions) {
  check("^abc$", {"abc"}, {"ab", "abcd", ""});
  check("^a*b+c?$", {"b", "aabbc", "bc"}, {"a", "ac", "bcc"});
  check("^(ab|c){2}$", {"abab", "abc", "cc"}, {"ab", "ccc"});
  check("^(?:x{2,3}|y{2,})$", {"xx", "xxx", "yy", "yyyyyy"}, {"x", "xxxx", "y"});
  check("^x{3,20}$", {"xxx", "xxxxxxxxxxxxxxxxxxxx"}, {"xx", "xxxxxxxxxxxxxxxxxxxxx"});
  check("^(a?){3}b$", {"b", "ab", "aaab"}, {"aaaab"});
  check("^(a*)*$", {"", "aaa"}, {"b"});
  check("^a+?b*?$", {"a", "aabb"}, {"b"});
  check("^a{,2}{x$", {"a{,2}{x"}, {"aa"});
  check("", {"", "anything"}, {});
}

TEST(Regex, AnchorsMayBeMissing) {
  check("b", {"b", "abc"}, {"ac"});
  check("^b", {"b", "bc"}, {"ab"});
  check("b$", {"b", "ab"}, {"bc"});
  check("^a|b$", {"ax", "xb"}, {"xay"});
  check("^(a|b)$", {"a", "b"}, {"ab", "xa"});
  check("(^a$)", {"a"}, {"ab"});
}

TEST(Regex, Classes) {
  check("^[a-cx]$", {"a", "c", "x"}, {"d", ""});
  check("^[^a-c]$", {"d", "é", "😊"}, {"a"});
  check("^[\\d_\\-]+$", {"1_-"}, {"a"});
  check("^\\w\\W\\d\\D\\s\\S$", {"a-1x y"}, {"a-1xyz"});
  check("^.$", {"x", "é", "€", "😊"}, {"\n", "xx"});
  check("^[é-ü]+$", {"éêü"}, {"a", "ý"});
  check("^[\\u4e00-\\u9fff]$", {"中"}, {"a"});
  check("^\\u{1F600}\\x41\\.\\/$", {"😀A./"}, {"😀Ax/"});
  check("^[\\b]\\n\\t$", {"\b\n\t"}, {"b"});
}

TEST(Regex, WhatIsNotSupportedIsNamed) {
  const auto cases = std::vector<std::pair<const char*, const char*>>{
      {"a(?=b)", "look-around"}, {"a(?<!b)", "look-around"}, {"(?<n>a)", "named group"},
      {"a\\b", "\\b"},           {"(a)\\1", "\\1"},          {"\\p{L}", "\\p"},
      {"a{2000}", "1000 rep"},   {"x(^a)y", "inside"}};
  for (const auto& [expression, named] : cases)
    EXPECT_TRUE(fails(compiled(expression), errc::unsupported, {named})) << expression;
}

TEST(Regex, WhatIsNoExpressionIsRefused) {
  for (const auto* expression :
       {"(a", "a)", "[a", "*a", "a**", "a{3,2}", "[z-a]", "\\", "\\x1", "\\u{}", "^*", "\xff"})
    EXPECT_TRUE(fails(compiled(expression), errc::usage, {})) << expression;
}

TEST(Regex, InJsonCharactersAreEscaped) {
  auto r = test::recognizer{*compiled("^[\"\\\\\\n\\x01é]+$", value_style::json)};
  EXPECT_TRUE(r.accepts(R"(\"\\\n\u0001é)"));
  EXPECT_FALSE(r.accepts("\""));
  EXPECT_FALSE(r.accepts("\n"));
}

} // namespace
} // namespace larql::grammar
