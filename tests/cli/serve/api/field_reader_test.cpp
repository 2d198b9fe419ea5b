// Mirrors cli/serve/api/field_reader.hpp.

#include "cli/serve/api/field_reader.hpp"

#include "tests/cli/serve/json_check.hpp"

namespace larql::serve {
namespace {

using test::json_of;

struct reading {
  explicit reading(std::string_view text) : body(json_of(text)), fields(body, "", error) {}
  ordered_json body;
  first_error error;
  field_reader fields;
};

TEST(FieldReader, NullCountsAsAbsent) {
  auto r = reading{R"({"a":null})"};
  auto text = std::string{"before"};
  EXPECT_FALSE(r.fields.has("a"));
  EXPECT_FALSE(r.fields.text("a", text));
  EXPECT_FALSE(r.fields.text("b", text));
  EXPECT_EQ(text, "before");
  EXPECT_FALSE(r.error);
}

TEST(FieldReader, AWrongTypeNamesThePathAndWhatWasFound) {
  auto r = reading{R"({"messages":[{"content":5}]})"};
  auto element = r.fields.element(r.body["messages"][0], "messages", 0);
  auto text = std::string{};
  EXPECT_FALSE(element.text("content", text));
  ASSERT_TRUE(r.error);
  EXPECT_EQ(r.error->param, "messages[0].content");
  EXPECT_EQ(r.error->message, "expected a string, found 5");
}

TEST(FieldReader, TheFirstErrorIsKept) {
  auto r = reading{R"({"a":1,"b":2})"};
  auto flag = false;
  EXPECT_FALSE(r.fields.boolean("b", flag));
  EXPECT_FALSE(r.fields.boolean("a", flag));
  ASSERT_TRUE(r.error);
  EXPECT_EQ(r.error->param, "b");
}

TEST(FieldReader, IntegersMayBeWrittenWithAPoint) {
  auto r = reading{R"({"a":100.0,"b":-1,"c":1.5})"};
  auto n = std::int64_t{0};
  EXPECT_TRUE(r.fields.integer("a", 0, 1000, n));
  EXPECT_EQ(n, 100);
  EXPECT_TRUE(r.fields.integer("b", -1, 1000, n));
  EXPECT_EQ(n, -1);
  EXPECT_FALSE(r.fields.integer("c", 0, 1000, n));
  ASSERT_TRUE(r.error);
  EXPECT_EQ(r.error->message, "expected an integer, found 1.5");
}

TEST(FieldReader, NumbersOutsideTheirRangeAreErrors) {
  for (const auto* text : {R"({"t":-0.1})", R"({"t":2.1})", R"({"t":1e300})"}) {
    auto r = reading{text};
    auto x = 0.0;
    EXPECT_FALSE(r.fields.number("t", 0, 2, x)) << text;
    ASSERT_TRUE(r.error) << text;
    EXPECT_EQ(r.error->param, "t");
  }
  for (const auto* text : {R"({"n":18446744073709551615})", R"({"n":4294967296})"}) {
    auto r = reading{text};
    auto n = std::uint32_t{7};
    EXPECT_FALSE(r.fields.integer("n", 0, UINT32_MAX, n)) << text;
    EXPECT_EQ(n, 7u);
    EXPECT_TRUE(r.error) << text;
  }
}

TEST(FieldReader, WhatIsNotSupportedIsRefusedByNameUnlessItIsSwitchedOff) {
  auto off = reading{R"({"mirostat":0,"tfs_z":1})"};
  off.fields.refuse("mirostat", "no such sampler", {0});
  off.fields.refuse("tfs_z", "no such sampler", {1.0});
  off.fields.refuse("absent", "no such sampler");
  EXPECT_FALSE(off.error);
  auto on = reading{R"({"mirostat":2})"};
  on.fields.refuse("mirostat", "no such sampler", {0});
  ASSERT_TRUE(on.error);
  EXPECT_EQ(on.error->kind, error_kind::unsupported);
  EXPECT_EQ(on.error->message, "\"mirostat\" is not supported: no such sampler");
}

TEST(FieldReader, ABodyThatIsNoObjectIsAnError) {
  auto r = reading{"[1]"};
  ASSERT_TRUE(r.error);
  EXPECT_EQ(r.error->message, "expected an object, found [1]");
}

TEST(FieldReader, LongValuesAreShortenedBetweenCharacters) {
  auto text = std::string{};
  for (auto i = 0; i < 100; ++i)
    text += "ä";
  const auto shown = brief(ordered_json(text));
  EXPECT_LT(shown.size(), 70u);
  EXPECT_TRUE(shown.ends_with("ä…")) << shown;
  EXPECT_EQ(brief(json_of("[1,2,3,4]")), "an array");
}

} // namespace
} // namespace larql::serve
