// Mirrors runtime/experts/ownership.hpp.

#include "runtime/experts/ownership.hpp"

#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

TEST(IndexRange, IsInclusiveAtBothEnds) {
  constexpr auto r = index_range{3, 5};
  EXPECT_EQ(r.count(), 3u);
  EXPECT_FALSE(r.contains(2));
  EXPECT_TRUE(r.contains(3));
  EXPECT_TRUE(r.contains(5));
  EXPECT_FALSE(r.contains(6));
}

TEST(IndexRange, IsReadFromOneOrTwoNumbers) {
  EXPECT_EQ(*parse_range("0-63", "EXPERTS"), (index_range{0, 63}));
  EXPECT_EQ(*parse_range("5", "EXPERTS"), (index_range{5, 5}));
  EXPECT_EQ(*parse_range("5-5", "EXPERTS"), (index_range{5, 5}));
  EXPECT_EQ(*parse_range("0-4294967295", "EXPERTS"), (index_range{0, 4294967295}));
}

TEST(IndexRange, EverythingElseIsAUsageErrorThatNamesTheOptionAndTheText) {
  for (const auto* text : {"", "-", "3-", "-3", "5-3", "a", "0-63 ", " 0-63", "0--3", "0-1-2",
                           "0x10", "+1", "1.5", "4294967296", "0-4294967296",
                           "0\xe2\x80\x93"
                           "63"})
    EXPECT_TRUE(test::fails(parse_range(text, "EXPERTS"), errc::usage, {"EXPERTS", text})) << text;
}

TEST(IndexRange, IsPrintedAsItIsTyped) {
  EXPECT_EQ(to_string({0, 63}), "0-63");
  EXPECT_EQ(to_string({7, 7}), "7");
}

TEST(Ownership, IsARectangle) {
  constexpr auto o = ownership{{1, 2}, {64, 127}};
  EXPECT_TRUE(o.contains(1, 64));
  EXPECT_TRUE(o.contains(2, 127));
  EXPECT_FALSE(o.contains(0, 64));
  EXPECT_FALSE(o.contains(3, 64));
  EXPECT_FALSE(o.contains(1, 63));
  EXPECT_FALSE(o.contains(1, 128));
}

} // namespace
} // namespace larql::experts
