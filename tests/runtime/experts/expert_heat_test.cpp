// Mirrors runtime/experts/expert_heat.hpp.

#include "runtime/experts/expert_heat.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using counts = std::vector<std::uint8_t>;

TEST(ExpertHeat, CountsTheExpertsOfEachLayersRows) {
  auto heat = expert_heat{2, 4, 2, 8};
  EXPECT_EQ(heat.snapshot().tokens, 0u);
  heat.note(0, 2, std::vector<assignment>{{0, 1, 0.5f}, {1, 1, 0.5f}, {0, 3, 0.5f}, {1, 2, 0.5f}});
  heat.note(1, 1, std::vector<assignment>{{0, 0, 1.0f}});
  EXPECT_EQ(heat.snapshot().counts, (counts{0, 2, 1, 1, 1, 0, 0, 0}));
  EXPECT_EQ(heat.snapshot().tokens, 2u);
}

TEST(ExpertHeat, ForgetsRowsThatHaveLeftTheWindow) {
  auto heat = expert_heat{1, 4, 1, 3};
  for (const auto expert : {0u, 0u, 1u, 2u, 2u})
    heat.note(0, 1, std::vector<assignment>{{0, expert, 1.0f}});
  EXPECT_EQ(heat.snapshot().counts, (counts{0, 1, 2, 0}));
  EXPECT_EQ(heat.snapshot().tokens, 3u);
}

TEST(ExpertHeat, OfMoreRowsThanTheWindowHoldsTheLastCount) {
  auto heat = expert_heat{1, 4, 1, 2};
  heat.note(0, 1, std::vector<assignment>{{0, 3, 1.0f}});
  heat.note(0, 5, std::vector<assignment>{{0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {3, 1, 1}, {4, 2, 1}});
  EXPECT_EQ(heat.snapshot().counts, (counts{0, 1, 1, 0}));
}

TEST(ExpertHeat, IsNeverMoreThanAByteHolds) {
  auto heat = expert_heat{1, 1, 1, 1000};
  for (auto i = 0; i < 600; ++i)
    heat.note(0, 1, std::vector<assignment>{{0, 0, 1.0f}});
  EXPECT_EQ(heat.snapshot().counts, counts{255});
  EXPECT_EQ(heat.snapshot().tokens, 600u);
}

TEST(ExpertHeat, WhatIsOutsideTheModelIsNotCounted) {
  auto heat = expert_heat{1, 2, 1, 4};
  heat.note(7, 1, std::vector<assignment>{{0, 0, 1.0f}});
  heat.note(0, 1, std::vector<assignment>{{0, 9, 1.0f}, {5, 0, 1.0f}});
  heat.note(0, 0, {});
  EXPECT_EQ(heat.snapshot().counts, (counts{0, 0}));
}

// More assignments of a row than the model's top_k are not remembered, and so not counted.
TEST(ExpertHeat, CountsAddUpToTheWindow) {
  auto heat = expert_heat{1, 4, 2, 2};
  for (auto i = 0; i < 10; ++i)
    heat.note(0, 1, std::vector<assignment>{{0, 0, 1}, {0, 1, 1}, {0, 2, 1}});
  EXPECT_EQ(heat.snapshot().counts, (counts{2, 2, 0, 0}));
}

class noting_port final : public expert_port {
public:
  result<expert_ticket> start(const expert_batch& batch, ready_fn) override {
    layers.push_back(batch.layer);
    return expert_ticket{};
  }
  std::vector<std::uint32_t> layers;
};

TEST(CountedExperts, HandsEveryBatchOn) {
  auto behind = noting_port{};
  auto heat = expert_heat{2, 4, 1, 4};
  auto port = counted_experts{behind, heat};
  const auto all = std::vector<assignment>{{0, 2, 1.0f}};
  EXPECT_TRUE(port.start({1, 1, 0, {}, all}));
  EXPECT_EQ(behind.layers, std::vector<std::uint32_t>{1});
  EXPECT_EQ(heat.snapshot().counts, (counts{0, 0, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(port.makers(), nullptr);
}

} // namespace
} // namespace larql::experts
