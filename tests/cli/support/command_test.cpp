// Mirrors cli/support/command.hpp, cli/support/progress.hpp and cli/laptop/report.hpp: the small
// pure parts. What the commands do is in tests/e2e.

#include "cli/laptop/report.hpp"
#include "cli/support/command.hpp"
#include "cli/support/progress.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::cli {

// Each program defines its own.
std::string_view program_name() noexcept {
  return "larql-tests";
}

namespace {

using std::chrono::seconds;
using test::fails;

TEST(ParseIds, TakesNumbersBetweenAnyWhiteSpace) {
  const auto ids = parse_ids(" 2\t70000  3\n4294967295 ", "--ids");
  ASSERT_TRUE(test::succeeds(ids));
  EXPECT_EQ(*ids, (std::vector<std::uint32_t>{2, 70000, 3, 4294967295}));
}

TEST(ParseIds, RefusesEverythingElseByName) {
  for (const auto* text : {"1 x", "1,2", "-1", "+1", "1.0", "0x1", "4294967296"})
    EXPECT_TRUE(fails(parse_ids(text, "--ids"), errc::usage, {"--ids", "is not a token id"}))
        << text;
  for (const auto* text : {"", "  \n"})
    EXPECT_TRUE(fails(parse_ids(text, "--decode"), errc::usage, {"--decode: no token ids"}));
}

TEST(FormatBytes, GivesThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(12'345), "12.3 kB");
  EXPECT_EQ(format_bytes(999'499), "999.5 kB");
  EXPECT_EQ(format_bytes(1'500'000'000), "1.50 GB");
  EXPECT_EQ(format_bytes(~std::uint64_t{0}), "18.4 EB");
}

TEST(FormatDuration, GivesHoursOnlyWhenThereAreSome) {
  EXPECT_EQ(format_duration(seconds{0}), "0:00");
  EXPECT_EQ(format_duration(seconds{65}), "1:05");
  EXPECT_EQ(format_duration(seconds{3599}), "59:59");
  EXPECT_EQ(format_duration(seconds{3661}), "1:01:01");
}

TEST(Quantile, IsTheNumberBelowWhichTheShareLies) {
  EXPECT_EQ(quantile({}, 0.5), 0);
  EXPECT_EQ(quantile({3}, 0.99), 3);
  EXPECT_EQ(quantile({5, 1, 4, 2, 3}, 0.5), 3);
  EXPECT_EQ(quantile({5, 1, 4, 2, 3}, 0), 1);
  EXPECT_EQ(quantile({5, 1, 4, 2, 3}, 1), 5);
}

} // namespace
} // namespace larql::cli
