// Mirrors runtime/experts/layer_times.hpp: what is kept of a long life, and in which order.

#include "runtime/experts/layer_times.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

std::vector<float> round_trips(const std::vector<layer_time>& times) {
  auto out = std::vector<float>{};
  for (const auto& t : times)
    out.push_back(t.round_trip_us);
  return out;
}

TEST(LayerTimes, KeepsTheOrderAndTheKernelsOfEachLayer) {
  auto times = layer_times{};
  EXPECT_TRUE(times.since(0).empty());
  for (auto i = 1; i <= 4; ++i)
    times.add({static_cast<float>(i), static_cast<float>(i) / 2});
  EXPECT_EQ(round_trips(times.since(0)), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(times.since(0)[2].compute_us, 1.5f);
  EXPECT_EQ(round_trips(times.since(3)), (std::vector<float>{4}));
  EXPECT_TRUE(times.since(4).empty());
}

TEST(LayerTimes, KeepsTheLastOfALongLifeAndNoMore) {
  auto times = layer_times{};
  const auto all = 2 * layer_times::capacity + 10;
  for (auto i = std::size_t{0}; i < all; ++i)
    times.add({static_cast<float>(i), 0});
  EXPECT_EQ(times.added(), all);
  const auto kept = times.since(0);
  ASSERT_EQ(kept.size(), layer_times::capacity);
  EXPECT_EQ(kept.front().round_trip_us, static_cast<float>(layer_times::capacity + 10));
  EXPECT_EQ(kept.back().round_trip_us, static_cast<float>(all - 1));
  EXPECT_EQ(round_trips(times.since(all - 2)),
            (std::vector<float>{static_cast<float>(all - 2), static_cast<float>(all - 1)}));
}

} // namespace
} // namespace larql::experts
