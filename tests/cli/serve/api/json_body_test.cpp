// Mirrors cli/serve/api/json_body.hpp.

#include "cli/serve/api/json_body.hpp"

#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

using test::fails;
using test::succeeds;

TEST(JsonBody, ObjectsKeepTheOrderOfTheirFields) {
  const auto body = parse_body(R"({"b":1,"a":{"z":1,"y":2}})");
  ASSERT_TRUE(succeeds(body));
  EXPECT_EQ(to_text(*body), R"({"b":1,"a":{"z":1,"y":2}})");
}

TEST(JsonBody, TextThatIsNoJsonIsAnError) {
  for (const auto* text :
       {"", "{", "[1,]", "{\"a\":}", "nul", "\"\\ud800\"", "{} x", "'a'", "\"\xff\"", "{\"a\" 1}"})
    EXPECT_TRUE(fails(parse_body(text), errc::usage, {"JSON"})) << text;
}

TEST(JsonBody, NestingIsBounded) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(succeeds(parse_body(nested(100))));
  EXPECT_TRUE(fails(parse_body(nested(101)), errc::usage, {"nested deeper than 100"}));
  EXPECT_TRUE(fails(parse_body(std::string(1 << 20, '[')), errc::usage, {"nested"}));
}

TEST(JsonBody, BracketsInTextsAreText) {
  EXPECT_TRUE(succeeds(parse_body('"' + std::string(1000, '{') + "\\\"" + '"')));
}

// Each field of an object is looked for among those before it.
TEST(JsonBody, ObjectsWithVeryManyFieldsAreRefusedAtOnce) {
  auto text = std::string{"{"};
  for (auto i = 0; i < 200'000; ++i)
    text += fmt::format("{}\"{}\":0", i == 0 ? "" : ",", i);
  text += "}";
  EXPECT_TRUE(fails(parse_body(text), errc::usage, {"too many fields"}));
}

TEST(JsonBody, BytesThatAreNoUtf8AreReplacedInAnswers) {
  EXPECT_EQ(to_text(ordered_json("a\xff"
                                 "b")),
            "\"a\xef\xbf\xbd"
            "b\"");
}

} // namespace
} // namespace larql::serve
