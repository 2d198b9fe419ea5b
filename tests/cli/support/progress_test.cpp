// Mirrors cli/support/progress.hpp.

#include "cli/support/progress.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mega = 1'000'000;

TEST(ProgressText, HasNoRateBeforeSomethingWasMeasured) {
  // The first 8 MB of an hour's work, there after 50 µs, once were "160 GB/s  0:00 left".
  EXPECT_EQ(progress_text("slice", 8 * mega, 800 * mega, 0, 50us, "norms.bin"),
            "slice [........................]   1%  8.00 MB of 800.0 MB  norms.bin");
  // Everything so far is of an earlier run.
  EXPECT_EQ(progress_text("pull", 400 * mega, 800 * mega, 400 * mega, 5s, "a"),
            "pull [############............]  50%  400.0 MB of 800.0 MB  a");
  EXPECT_EQ(progress_text("pull", 0, 0, 0, 0s, ""),
            "pull [########################] 100%  0 B of 0 B");
}

TEST(ProgressText, TheRateIsThatOfThisRun) {
  EXPECT_EQ(progress_text("pull", 500 * mega, 800 * mega, 400 * mega, 2s, "a"),
            "pull [###############.........]  62%  500.0 MB of 800.0 MB  50.0 MB/s  0:06 left  a");
  EXPECT_EQ(progress_text("pull", 800 * mega, 800 * mega, 400 * mega, 4s, ""),
            "pull [########################] 100%  800.0 MB of 800.0 MB  100.0 MB/s  0:00 left");
}

TEST(ProgressText, ATimeLeftThatNobodyCanKnowIsNotSaid) {
  EXPECT_EQ(progress_text("pull", 1, 1'000'000 * mega, 0, 30s, "a"),
            "pull [........................]   0%  1 B of 1.00 TB  0 B/s  a");
}

TEST(ProgressText, MoreDoneThanThereIsDoesNotBreakTheBar) {
  EXPECT_EQ(progress_text("x", 3, 2, 0, 1s, ""),
            "x [########################] 150%  3 B of 2 B  3 B/s  0:00 left");
}

} // namespace
} // namespace larql::cli
