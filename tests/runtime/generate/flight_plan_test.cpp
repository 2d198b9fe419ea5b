// Mirrors runtime/generate/flight_plan.hpp: made-up costs, so that every choice can be worked out
// by hand.

#include "runtime/generate/flight_plan.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

/// Milliseconds for a layer.
struct model_of_costs {
  double laptop = 0, laptop_row = 0;
  double nodes = 0, nodes_row = 0;
  double latency = 0, passing_row = 0;
};

std::chrono::nanoseconds ms(double x) {
  return std::chrono::nanoseconds{static_cast<std::int64_t>(x * 1e6)};
}

gemma4::pass_stats pass_of(std::uint32_t rows, const model_of_costs& m, double queue = 0) {
  constexpr auto layers = 10;
  const auto kernels = m.nodes + m.nodes_row * rows;
  auto out = gemma4::pass_stats{};
  out.layers = layers;
  out.calls.calls = layers;
  out.times.attention = ms(layers * (m.laptop + m.laptop_row * rows));
  out.away.kernels = ms(layers * kernels);
  out.away.queue = ms(layers * queue);
  out.away.round_trips = ms(layers * (m.latency + m.passing_row * rows + kernels + queue));
  return out;
}

flight_costs costs_of(const model_of_costs& m,
                      std::initializer_list<std::uint32_t> sizes = {1, 8, 32, 64, 256}) {
  auto out = flight_costs{};
  for (const auto rows : sizes)
    out.add(rows, pass_of(rows, m));
  return out;
}

/// Two nodes at 45 ms behind 100 Mbit/s down and 40 up.
constexpr auto far_nodes = model_of_costs{1.5, 0.05, 1, 0.05, 45, 3.5};
/// A node beside this machine.
constexpr auto near_nodes = model_of_costs{1.5, 0.2, 1, 0.18, 0.2, 0.01};

TEST(FlightCosts, NothingIsKnownBeforeAPassHasEnded) {
  EXPECT_FALSE(flight_costs{}.of(1));
  auto costs = flight_costs{};
  auto local = pass_of(5, far_nodes);
  local.calls.calls = 0;
  costs.add(5, local);
  EXPECT_FALSE(costs.of(1)) << "its experts were here";
}

TEST(FlightCosts, LatencyAndBytesAreToldApartByTwoSizes) {
  const auto c = *costs_of(far_nodes, {1, 64}).of(64);
  EXPECT_NEAR(c.latency, 45e6, 1e3);
  EXPECT_NEAR(c.passing, 64 * 3.5e6, 1e4);
  EXPECT_NEAR(c.laptop, (1.5 + 64 * 0.05) * 1e6, 1e3);
  EXPECT_NEAR(c.nodes, (1 + 64 * 0.05) * 1e6, 1e3);
}

TEST(FlightCosts, SizesBetweenThoseThatWereSeenLieBetweenThem) {
  const auto costs = costs_of(far_nodes, {8, 64});
  const auto c = *costs.of(32);
  EXPECT_NEAR(c.laptop, (1.5 + 32 * 0.05) * 1e6, 1e3);
  EXPECT_GT(costs.of(256)->laptop, costs.of(64)->laptop);
  EXPECT_LT(costs.of(1)->nodes, costs.of(8)->nodes);
  EXPECT_GT(costs.of(1)->nodes, 0);
}

TEST(FlightCosts, TimeInTheNodesQueueIsNeitherNetworkNorComputing) {
  auto costs = flight_costs{};
  costs.add(1, pass_of(1, near_nodes, 50));
  costs.add(64, pass_of(64, near_nodes, 200));
  EXPECT_NEAR(costs.of(64)->latency + costs.of(64)->passing, 0.84e6, 1e4);
}

TEST(FlightCosts, BytesOfOthersOnTheWayAreForgottenSoonerThanBelieved) {
  auto costs = costs_of(far_nodes);
  auto crowded = far_nodes;
  crowded.passing_row *= 4;
  costs.add(256, pass_of(256, crowded));
  const auto before = costs_of(far_nodes).of(64)->passing;
  EXPECT_LT(costs.of(64)->passing, before * 1.2);
  for (auto i = 0; i < 20; ++i)
    costs.add(256, pass_of(256, far_nodes));
  EXPECT_NEAR(costs.of(64)->passing / before, 1, 0.01);
}

TEST(ChooseFlight, WithOneLaneAPassHasAsManyRowsAsMayBe) {
  EXPECT_EQ(choose_flight(costs_of(far_nodes), 1000, 256, 1), (flight{1, 256}));
  EXPECT_EQ(choose_flight({}, 10, 256, 1), (flight{1, 10}));
}

TEST(ChooseFlight, TheFirstPassesAreFewAndSmall) {
  EXPECT_EQ(choose_flight({}, 1000, 256, 8), (flight{2, 32}));
  EXPECT_EQ(choose_flight({}, 1000, 4, 8), (flight{2, 4}));
}

TEST(ChooseFlight, ANearNodeAndThisMachineTakeTurnsWithAPromptInTwo) {
  // In one pass a layer takes 2.5 + 256 * 0.39 = 102 ms, in two about 54.
  EXPECT_EQ(choose_flight(costs_of(near_nodes), 256, 256, 8), (flight{2, 128}));
}

TEST(ChooseFlight, AFarNodesPromptIsInSeveralChunksThatFillTheLink) {
  const auto f = choose_flight(costs_of(far_nodes), 100, 256, 8);
  EXPECT_GE(f.passes, 3u);
  EXPECT_LE(f.passes * f.rows, 102u) << "about equal parts";
  const auto long_prompt = choose_flight(costs_of(far_nodes), 1000, 256, 8);
  EXPECT_GE(long_prompt.passes, 2u);
  EXPECT_GE(long_prompt.rows, 100u) << "the bytes fill the link, more passes would win nothing";
}

TEST(ChooseFlight, FarSessionsGoEachByThemselvesAndNearOnesTogether) {
  EXPECT_EQ(choose_flight(costs_of(far_nodes), 8, 8, 16), (flight{8, 1}));
  auto near = near_nodes; // a token's rows cost little beside the weights
  near.laptop_row = near.nodes_row = 0.02;
  EXPECT_EQ(choose_flight(costs_of(near), 8, 8, 16), (flight{1, 8}));
}

TEST(RowsBesideOne, KeepAPassOfOneRowWithinTheFactor) {
  EXPECT_EQ(rows_beside_one({}, 3, 256), 256u) << "nothing is known";
  // Alone 2.89 ms and 0.2 of latency; a pass of r rows keeps it waiting for 2.5 + 0.39 r.
  EXPECT_EQ(rows_beside_one(costs_of(near_nodes), 3, 256), 9u);
  // Alone 6.1 ms and 45 of latency; 2.5 + 3.6 r.
  EXPECT_EQ(rows_beside_one(costs_of(far_nodes), 3, 256), 27u);
  EXPECT_EQ(rows_beside_one(costs_of(far_nodes), 3, 20), 20u);
  EXPECT_EQ(rows_beside_one(costs_of(near_nodes), 1, 256), 1u) << "a prompt goes on all the same";
}

TEST(ChooseFlight, NeverMoreThanIsAllowedOrThere) {
  const auto costs = costs_of(far_nodes);
  for (auto rows = 1u; rows < 600; rows += 7)
    for (const auto most_rows : {1u, 5u, 256u})
      for (const auto most_passes : {1u, 2u, 7u, 16u}) {
        const auto f = choose_flight(costs, rows, most_rows, most_passes);
        EXPECT_GE(f.passes, 1u);
        EXPECT_GE(f.rows, 1u);
        EXPECT_LE(f.passes, std::min(most_passes, rows));
        EXPECT_LE(f.rows, std::min(most_rows, rows));
      }
}

} // namespace
} // namespace larql::generate
