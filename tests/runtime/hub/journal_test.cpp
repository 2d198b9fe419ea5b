// Mirrors runtime/hub/journal.hpp: what is believed after a kill, after a crash, and of a damaged
// journal.

#include "runtime/hub/journal.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

const auto file_of_100 = content_id{100, "abc"};
constexpr auto head = "larql-pull 1 100 abc\nboot b1\n";

interval_set held(const std::string& lines, std::string_view boot = "b1") {
  return parse_journal(head + lines, file_of_100, boot).held;
}

TEST(Journal, EveryLineCountsInTheBootThatWroteIt) {
  EXPECT_EQ(held("+ 0 10\nsync\n+ 10 20\n"), interval_set{(interval{0, 20})});
}

TEST(Journal, AfterACrashOnlyWhatWasSyncedCounts) {
  EXPECT_EQ(held("+ 0 10\nsync\n+ 10 20\n", "b2"), interval_set{(interval{0, 10})});
  EXPECT_TRUE(held("+ 0 10\n", "b2").empty());
  EXPECT_TRUE(held("+ 0 10\n", "").empty()) << "an unknown boot is another one";
}

TEST(Journal, ATornLineDoesNotCount) {
  EXPECT_EQ(held("+ 0 10\n+ 10 2"), interval_set{(interval{0, 10})});
}

TEST(Journal, NothingBehindDamageIsBelieved) {
  for (const auto* bad :
       {"+ 5 3\n", "+ 0 101\n", "+ x 10\n", "* 0 1\n", "\n", "+ 10\n", "v 50 60\n"})
    EXPECT_EQ(held(std::string{"+ 0 10\n"} + bad + "+ 20 30\n"), interval_set{(interval{0, 10})})
        << bad;
}

TEST(Journal, OfAnotherContentIsEmpty) {
  const auto text = std::string{head} + "+ 0 10\nsync\n";
  EXPECT_TRUE(parse_journal(text, {100, "abd"}, "b1").held.empty());
  EXPECT_TRUE(parse_journal(text, {101, "abc"}, "b1").held.empty());
  EXPECT_TRUE(parse_journal("", file_of_100, "b1").held.empty());
}

TEST(Journal, ForgetsWhatWasWrong) {
  const auto s = parse_journal(std::string{head} + "+ 0 50\nv 0 50\n- 10 20\n", file_of_100, "b1");
  auto expected = interval_set{interval{0, 50}};
  expected.remove({10, 20});
  EXPECT_EQ(s.held, expected);
  EXPECT_EQ(s.verified, expected);
}

TEST(Journal, GoesOnFromWhatItWrote) {
  const auto dir = test::temporary_directory{};
  {
    auto j = journal::create(dir / "j", file_of_100, {});
    ASSERT_TRUE(test::succeeds(j));
    ASSERT_TRUE(j->add({0, 30}));
    ASSERT_TRUE(j->verified({0, 20}));
    ASSERT_TRUE(j->discard({20, 25}));
    ASSERT_TRUE(j->synced());
    ASSERT_TRUE(j->add({90, 100}));
  }
  auto s = read_journal(dir / "j", file_of_100);
  EXPECT_EQ(s.held.bytes(), 35u);
  EXPECT_EQ(s.verified, interval_set{(interval{0, 20})});
  auto again = journal::create(dir / "j", file_of_100, s);
  ASSERT_TRUE(test::succeeds(again));
  EXPECT_EQ(read_journal(dir / "j", file_of_100).held, s.held);
  EXPECT_FALSE(boot_id().empty());
}

} // namespace
} // namespace larql::hub
