// Mirrors cli/support/progress.hpp.

#include "cli/support/progress.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::seconds;

constexpr std::uint64_t mega = 1'000'000;
constexpr std::size_t wide = 200;

progress_state state(std::uint64_t done, std::uint64_t total, std::optional<double> rate = {}) {
  auto out = progress_state{};
  out.what = "pull";
  out.done = done;
  out.total = total;
  out.bytes_per_second = rate;
  return out;
}

TEST(ProgressText, HasBarBytesRateAndTimeLeft) {
  auto s = state(500 * mega, 800 * mega, 50e6);
  s.item = "a";
  EXPECT_EQ(progress_text(s, wide),
            "pull [###############.........]  62%  500.0 MB of 800.0 MB  50.0 MB/s  0:06 left  a");
  EXPECT_EQ(progress_text(state(0, 0), wide), "pull [########################] 100%  0 B of 0 B");
}

TEST(ProgressText, HasNoRateBeforeSomethingWasMeasured) {
  EXPECT_EQ(progress_text(state(8 * mega, 800 * mega), wide),
            "pull [........................]   1%  8.00 MB of 800.0 MB");
}

TEST(ProgressText, FitsEveryTerminal) {
  auto s = state(500 * mega, 800 * mega, 50e6);
  s.item = "layers/α-layer_00.weights";
  for (auto columns = std::size_t{1}; columns <= 120; ++columns) {
    const auto text = progress_text(s, columns);
    const auto shown =
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
    EXPECT_LE(static_cast<std::size_t>(shown), columns) << text;
  }
  EXPECT_EQ(progress_text(s, 80),
            "pull [###############.........]  62%  500.0 MB of 800.0 MB  50.0 MB/s  0:06 left");
  EXPECT_EQ(progress_text(s, 40), "pull  62%  500.0 MB of 800.0 MB");
}

TEST(ProgressText, SaysThatATransferStandsStill) {
  auto s = state(500 * mega, 800 * mega, 50e6);
  s.standstill = 65s;
  EXPECT_EQ(progress_text(s, wide),
            "pull [###############.........]  62%  500.0 MB of 800.0 MB  stalled for 1:05");
  s.done = s.total; // the end is no standstill
  EXPECT_EQ(progress_text(s, wide),
            "pull [########################] 100%  800.0 MB of 800.0 MB  50.0 MB/s  0:00 left");
}

TEST(ProgressText, ATimeLeftThatNobodyCanKnowIsNotSaid) {
  EXPECT_EQ(progress_text(state(1, 1'000'000 * mega, 0.03), wide),
            "pull [........................]   0%  1 B of 1.00 TB  0 B/s");
}

TEST(ProgressText, MoreDoneThanThereIsDoesNotBreakTheBar) {
  EXPECT_EQ(progress_text(state(3, 2, 3.0), wide),
            "pull [########################] 150%  3 B of 2 B  3 B/s  0:00 left");
}

TEST(ProgressText, IsPlainInALog) {
  auto s = state(500 * mega, 800 * mega, 50e6);
  s.item = "a";
  EXPECT_EQ(plain_progress_text(s), "pull: 62 %, 500.0 MB of 800.0 MB, 50.0 MB/s, 0:06 left, a");
}

class RateMeter : public testing::Test {
protected:
  void add(std::uint64_t done, std::chrono::milliseconds at) {
    rate.add(done, rate_meter::clock::time_point{} + 1h + at);
  }
  rate_meter rate;
};

TEST_F(RateMeter, CountsWhatCameSinceItsFirstLook) {
  add(400 * mega, 0ms); // of an earlier run, or at once out of a cache
  EXPECT_FALSE(rate.bytes_per_second());
  add(410 * mega, 100ms);
  EXPECT_FALSE(rate.bytes_per_second()) << "too short";
  add(500 * mega, 2000ms);
  EXPECT_DOUBLE_EQ(rate.bytes_per_second().value_or(0), 50e6);
}

TEST_F(RateMeter, ForgetsWhatIsLongerAgoThanTenSeconds) {
  for (auto s = 0; s <= 20; ++s) // 10 MB/s
    add(static_cast<std::uint64_t>(s) * 10 * mega, seconds{s});
  for (auto s = 21; s <= 40; ++s) // 1 MB/s
    add(200 * mega + static_cast<std::uint64_t>(s - 20) * mega, seconds{s});
  EXPECT_NEAR(rate.bytes_per_second().value_or(0), 1e6, 2e5);
}

TEST_F(RateMeter, KnowsForHowLongNothingHasCome) {
  add(0, 0ms);
  add(mega, 1000ms);
  add(mega, 8000ms);
  EXPECT_EQ(rate.standstill(), 7s);
  add(mega + 1, 9000ms);
  EXPECT_EQ(rate.standstill(), 0s);
}

} // namespace
} // namespace larql::cli
