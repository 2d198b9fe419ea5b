// Mirrors runtime/base/unfinished_state.hpp.

#include "runtime/base/unfinished_state.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

TEST(UnfinishedState, ATornLineDoesNotCount) {
  EXPECT_EQ(parse_unfinished_state("").made, "");
  EXPECT_EQ(parse_unfinished_state("{}").made, "{}");
  const auto s = parse_unfinished_state("{}\nfinished\nexchange\naside .x.old\naside .x.o");
  EXPECT_EQ(s.made, "{}");
  EXPECT_TRUE(s.finished);
  EXPECT_TRUE(s.exchange);
  EXPECT_EQ(s.aside, ".x.old");
  EXPECT_FALSE(parse_unfinished_state("{}\nfinishe").finished);
  EXPECT_FALSE(parse_unfinished_state("finished\n").finished); // it says what is made
}

TEST(UnfinishedState, ANameOfTheOldOneIsNoPath) {
  for (const auto* name : {"../../home", "..", ".", "thesis", "thesis.old", "/.x.old"})
    EXPECT_EQ(parse_unfinished_state(fmt::format("{{}}\naside {}\n", name)).aside, "") << name;
}

} // namespace
} // namespace larql
