// The model of a link by itself: times are made up, so nothing here depends on the machine.

#include "actors/net/wan_path.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto begin = wan_time{} + 1h;

wan_profile far_link() {
  auto p = wan_profile{};
  p.round_trip = 50ms;
  p.first_window_bytes = tcp_first_window_bytes;
  return p;
}

/// Sends as much as the window lets through at each moment, for so many round trips; how much went
/// in each.
std::vector<std::size_t> rounds(tcp_window& w, wan_time& now, int count) {
  auto out = std::vector<std::size_t>{};
  for (auto i = 0; i < count; ++i, now += 50ms) {
    out.push_back(w.room(now));
    w.sent(now, out.back(), now + 50ms);
    EXPECT_EQ(w.room(now), 0u) << "the window is used up until the answers come";
    EXPECT_EQ(w.more_room_at(), now + 50ms);
  }
  return out;
}

TEST(TcpWindow, BeginsWithTenSegmentsAndDoublesInEachRoundTrip) {
  auto w = tcp_window{far_link(), 0};
  auto now = begin;
  EXPECT_EQ(rounds(w, now, 5),
            (std::vector<std::size_t>{14'600, 29'200, 58'400, 116'800, 233'600}));
}

TEST(TcpWindow, EndsWhereLinkAndQueueAreFull) {
  auto p = far_link();
  p.queue_bytes = 50'000;
  auto w = tcp_window{p, 1e6}; // 50 kB on the way and 50 kB in the queue
  auto now = begin;
  EXPECT_EQ(rounds(w, now, 6).back(), 100'000u);
}

TEST(TcpWindow, GrowsOnlyWhileItHoldsTheSenderBack) {
  auto w = tcp_window{far_link(), 0};
  auto now = begin;
  for (auto i = 0; i < 100; ++i, now += 50ms) {
    EXPECT_EQ(w.room(now), w.size());
    w.sent(now, 3'000, now + 50ms);
  }
  EXPECT_EQ(w.size(), 14'600u);
}

TEST(TcpWindow, IsHalvedForEveryTimeOutWithoutBytesDownToTheFirst) {
  auto w = tcp_window{far_link(), 0};
  auto now = begin;
  (void) rounds(w, now, 5); // 467,200 once the last round is acknowledged
  const auto last = now - 50ms;
  EXPECT_EQ(w.room(last + 249ms), 467'200u); // 250 ms are the time-out
  EXPECT_EQ(w.room(last + 251ms), 233'600u);
  EXPECT_EQ(w.room(last + 400ms), 233'600u) << "looking at it changes nothing";
  EXPECT_EQ(w.room(last + 501ms), 116'800u);
  EXPECT_EQ(w.room(last + 1h), 14'600u);
  w.sent(last + 1h, 14'600, last + 1h + 50ms);
  EXPECT_EQ(w.room(last + 1h + 50ms), 29'200u) << "and opens again";
}

TEST(TcpWindow, IsLeftOutWhereTheProfileHasNone) {
  auto p = far_link();
  p.first_window_bytes = 0;
  auto none = tcp_window{p, 1e6};
  none.sent(begin, 1 << 30, begin + 50ms);
  EXPECT_GT(none.room(begin), std::size_t{1} << 40);
  auto near = far_link();
  near.round_trip = 0ms; // whatever is sent is acknowledged
  auto w = tcp_window{near, 1e6};
  w.sent(begin, 1 << 30, begin);
  EXPECT_GT(w.room(begin), std::size_t{1} << 40);
}

TEST(WanSender, BytesLeaveAtTheRateBehindThoseBeforeThem) {
  auto s = wan_sender{};
  EXPECT_EQ(s.send(begin, 1000, 1e6, {}), begin + 1ms);
  EXPECT_EQ(s.send(begin, 2000, 1e6, {}), begin + 3ms);
  EXPECT_EQ(s.send(begin + 10ms, 1000, 1e6, {}), begin + 11ms);
  EXPECT_EQ(s.send(begin + 20ms, 1000, 1e6, begin + 30ms), begin + 31ms) << "a stall";
  EXPECT_EQ(s.send(begin + 40ms, 1000, 0, {}), begin + 40ms) << "no limit";
}

TEST(WanSender, IsFullWhileMoreThanItsQueueWaits) {
  auto s = wan_sender{};
  EXPECT_LT(s.full_until(1e6, 4000), begin);
  (void) s.send(begin, 10'000, 1e6, {});
  EXPECT_EQ(s.full_until(1e6, 4000), begin + 6ms);
}

TEST(ExpectedJitter, IsTheMeanOfTheLatestOfSeveralRoundTrips) {
  const auto ms = [](auto t) { return std::chrono::duration<double, std::milli>(t).count(); };
  EXPECT_NEAR(ms(expected_jitter(10ms, 1)), 10, 0.01);
  EXPECT_NEAR(ms(expected_jitter(10ms, 2)), 10 * (1 + 7.0 / 30), 0.01); // worked out by hand
  EXPECT_GT(expected_jitter(10ms, 8), expected_jitter(10ms, 4));
  EXPECT_LT(expected_jitter(10ms, 1000), 20ms);
  EXPECT_EQ(expected_jitter(0ms, 4), 0ms);
}

} // namespace
} // namespace larql::actors
