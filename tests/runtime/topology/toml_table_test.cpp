// Mirrors runtime/topology/toml_table.hpp: values as written, and errors that name line and key.

#include "runtime/topology/toml_table.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::topology {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

toml_table table(std::string_view text) {
  auto t = toml_table::parse(text, "x.toml");
  EXPECT_TRUE(succeeds(t));
  return *std::move(t);
}

TEST(TomlTable, GivesValuesAsWritten) {
  const auto t = table("s = 'text'\nb = true\ni = 7\nf = 0.5\nd = '2s'\nl = ['a', 'b']\none = 'a'\n"
                       "[inner]\nx = 1\n[[many]]\nn = 1\n[[many]]\nn = 2\n");
  EXPECT_EQ(*t.string("s"), "text");
  EXPECT_EQ(*t.boolean_or("b", false), true);
  EXPECT_EQ(*t.integer_or("i", 0, 9, 1), 7u);
  EXPECT_EQ(*t.number_or("f", 0, 1, 0), 0.5);
  EXPECT_EQ(*t.number_or("i", 0, 9, 0), 7);
  EXPECT_EQ(*t.duration_or("d", 0ms, 1h, 0ms), 2s);
  EXPECT_EQ(*t.strings("l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*t.strings("one"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(*t.table("inner")->integer_or("x", 0, 9, 0), 1u);
  const auto many = t.tables("many");
  ASSERT_TRUE(succeeds(many));
  ASSERT_EQ(many->size(), 2u);
  EXPECT_EQ(*(*many)[1].integer_or("n", 0, 9, 0), 2u);
}

TEST(TomlTable, OnlyStringsAndCommentsHoldOtherCharactersThanAscii) {
  const auto t = table("\xef\xbb\xbfs = 'Köln' # für Ü\n"
                       "l = [\"\"\"a\\\"ö\"\n\"\"\"\", '''é''']\n"
                       "\"schlüssel\" = 1\n");
  EXPECT_EQ(*t.string("s"), "Köln");
  EXPECT_EQ(*t.strings("l"), (std::vector<std::string>{"a\"ö\"\n\"", "é"}));
  EXPECT_EQ(*t.integer_or("schlüssel", 0, 9, 0), 1u);
  for (const auto* text : {"ok = 1\nschlüssel = 1\n", "a = 1\nϒ", "a = 1\nb = '''x''''ü",
                           "\nb = 1 ü", "# ]\nd = 6://a:94+inb\"ґ:"})
    EXPECT_TRUE(fails(toml_table::parse(text, "x.toml"), errc::usage, {"x.toml:2: "})) << text;
}

TEST(TomlTable, AbsentKeysGiveTheirDefaults) {
  const auto t = table("");
  EXPECT_EQ(*t.string_or("s", "d"), "d");
  EXPECT_EQ(*t.boolean_or("b", true), true);
  EXPECT_EQ(*t.integer_or("i", 0, 9, 3), 3u);
  EXPECT_EQ(*t.number_or("f", 0, 1, 0.25), 0.25);
  EXPECT_EQ(*t.duration_or("d", 0ms, 1h, 5s), 5s);
  EXPECT_TRUE(t.strings("l")->empty());
  EXPECT_TRUE(t.tables("many")->empty());
  const auto inner = t.table("inner");
  EXPECT_EQ(*inner->string_or("x", "d"), "d");
  EXPECT_TRUE(succeeds(inner->only({})));
  EXPECT_TRUE(fails(inner->string("x"), errc::usage, {"x.toml: x: is missing"}));
}

TEST(TomlTable, ErrorsNameLineKeyAndWhatWasExpected) {
  const auto t =
      table("\ns = 5\nb = 'x'\ni = -1\nbig = 10\nf = 2.5\nd = 5\ne = '5x'\nl = ['a', 1]\n"
            "m = 'x'\n");
  EXPECT_TRUE(fails(t.string("none"), errc::usage, {"x.toml:1: none: is missing"}));
  EXPECT_TRUE(fails(t.string("s"), errc::usage, {"x.toml:2: s: is 5, expected a string"}));
  EXPECT_TRUE(fails(t.boolean_or("b", true), errc::usage, {"x.toml:3: b:", "true or false"}));
  EXPECT_TRUE(fails(t.integer_or("i", 0, 9, 0), errc::usage, {"x.toml:4: i: is -1", "0 to 9"}));
  EXPECT_TRUE(fails(t.integer_or("big", 0, 9, 0), errc::usage, {"x.toml:5: big: is 10"}));
  EXPECT_TRUE(fails(t.number_or("f", 0, 1, 0), errc::usage, {"x.toml:6: f: is 2.5", "0 to 1"}));
  EXPECT_TRUE(fails(t.duration_or("d", 0ms, 1h, 0ms), errc::usage, {"x.toml:7: d:", "\"250ms\""}));
  EXPECT_TRUE(fails(t.duration_or("e", 0ms, 1h, 0ms), errc::usage, {"x.toml:8: e: \"5x\""}));
  EXPECT_TRUE(fails(t.strings("l"), errc::usage, {"x.toml:9: l:", "array of strings"}));
  EXPECT_TRUE(fails(t.table("m"), errc::usage, {"x.toml:10: m:", "expected a table"}));
  EXPECT_TRUE(fails(t.tables("m"), errc::usage, {"x.toml:10: m:", "[[m]]"}));
  const auto limits = table("d = '5s'");
  EXPECT_TRUE(fails(limits.duration_or("d", 0ms, 1s, 0ms), errc::usage, {"from 0s to 1s"}));
}

TEST(TomlTable, UnknownKeysAreErrorsWithTheNearestKnownOne) {
  const auto t = table("experts = 1\nexpets = 2\n");
  EXPECT_TRUE(succeeds(t.only({"experts", "expets"})));
  EXPECT_TRUE(fails(t.only({"experts", "layers"}), errc::usage,
                    {"x.toml:2: expets: is no key of this table (did you mean \"experts\"?)"}));
  const auto far = table("zebra = 1");
  const auto refused = far.only({"experts"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text.find("did you mean"), std::string::npos);
}

TEST(TomlTable, TextThatIsNoTomlNamesItsLine) {
  EXPECT_TRUE(fails(toml_table::parse("a = 1\nb =\n", "y.toml"), errc::usage, {"y.toml:2:"}));
  EXPECT_TRUE(fails(toml_table::parse("experts = 8-15\n", "y.toml"), errc::usage,
                    {"y.toml:1:", "in quotes: \"8-15\""}));
  EXPECT_TRUE(fails(toml_table::parse("a = 1\na = 2\n", "y.toml"), errc::usage, {"y.toml:2:"}));
}

} // namespace
} // namespace larql::topology
