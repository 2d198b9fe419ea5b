// Mirrors runtime/base/held_bytes.hpp.

#include "runtime/base/held_bytes.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

using test::succeeds;

interval_set of(std::initializer_list<interval> list) {
  auto out = interval_set{};
  for (const auto i : list)
    out.add(i);
  return out;
}

class HeldBytes : public testing::Test {
protected:
  HeldBytes() { test::write_file(file_, std::string(100, 'x')); }

  test::temporary_directory dir_;
  std::filesystem::path file_ = dir_ / "f.bin";
};

TEST_F(HeldBytes, AFileWithoutAListIsWhole) {
  const auto held = read_held(file_);
  ASSERT_TRUE(succeeds(held));
  EXPECT_FALSE(held->has_value());
}

TEST_F(HeldBytes, WhatWasNotedIsThereAfterwards) {
  {
    auto w = held_writer::open(file_, 100);
    ASSERT_TRUE(succeeds(w));
    EXPECT_TRUE(w->held().empty());
    ASSERT_TRUE(succeeds(w->add({10, 20})));
    ASSERT_TRUE(succeeds(w->add({20, 30})));
    EXPECT_EQ(w->held(), of({{10, 30}}));
  }
  EXPECT_EQ(**read_held(file_), of({{10, 30}}));
  const auto again = held_writer::open(file_, 100);
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(again->held(), of({{10, 30}}));
}

TEST_F(HeldBytes, AnEmptyListHoldsNothing) {
  ASSERT_TRUE(succeeds(held_writer::open(file_, 100)));
  EXPECT_TRUE((*read_held(file_))->empty());
}

TEST_F(HeldBytes, ATornLineAndWhatFollowsDamageDoNotCount) {
  const auto head = std::string{"larql-held 1 100\n"};
  EXPECT_EQ(parse_held(head + "0 10\n20 30", 100), of({{0, 10}}));
  EXPECT_EQ(parse_held(head + "0 10\nx 30\n40 50\n", 100), of({{0, 10}}));
  for (const auto* bad : {"5 5\n", "9 3\n", "0 101\n", "-1 3\n", "1  3\n", "\n"})
    EXPECT_TRUE(parse_held(head + bad, 100).empty()) << bad;
}

TEST_F(HeldBytes, AListOfAnotherSizeIsVoid) {
  EXPECT_TRUE(parse_held("larql-held 1 99\n0 10\n", 100).empty());
  EXPECT_TRUE(parse_held("", 100).empty());
  ASSERT_TRUE(succeeds(held_writer::open(file_, 100)->add({0, 5})));
  test::set_file_size(file_, 90);
  EXPECT_TRUE((*read_held(file_))->empty());
}

TEST_F(HeldBytes, ATornLineIsWrittenAnewSoThatLaterOnesCount) {
  test::write_file(held_path(file_), "larql-held 1 100\n0 10\n20 3");
  ASSERT_TRUE(succeeds(held_writer::open(file_, 100)->add({50, 60})));
  EXPECT_EQ(**read_held(file_), of({{0, 10}, {50, 60}}));
}

} // namespace
} // namespace larql
