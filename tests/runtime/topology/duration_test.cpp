// Mirrors runtime/topology/duration.hpp.

#include "runtime/topology/duration.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::topology {
namespace {

using namespace std::chrono_literals;
using test::fails;

TEST(Duration, IsANumberAndAUnit) {
  EXPECT_EQ(*parse_duration("0ms"), 0ms);
  EXPECT_EQ(*parse_duration("250ms"), 250ms);
  EXPECT_EQ(*parse_duration("5s"), 5s);
  EXPECT_EQ(*parse_duration("2m"), 2min);
  EXPECT_EQ(*parse_duration("720h"), 720h);
}

TEST(Duration, RefusesEverythingElse) {
  for (const auto* text : {"", "5", "s", "5 s", "5sec", "1.5s", "0x5s", "5S", "+5s"})
    EXPECT_TRUE(fails(parse_duration(text), errc::usage, {"expected a number with ms, s, m or h"}))
        << text;
  for (const auto* text : {"-5s", "721h", "2592001s", "9223372036854775807h"})
    EXPECT_TRUE(fails(parse_duration(text), errc::usage, {text, "at most 30 days"})) << text;
}

TEST(Duration, TheShortestTextIsReadBack) {
  for (const auto* text : {"0s", "1ms", "250ms", "1500ms", "90s", "2m", "1h", "100h"})
    EXPECT_EQ(to_text(*parse_duration(text)), text);
  EXPECT_EQ(to_text(120s), "2m");
  EXPECT_EQ(to_text(3600s), "1h");
}

} // namespace
} // namespace larql::topology
