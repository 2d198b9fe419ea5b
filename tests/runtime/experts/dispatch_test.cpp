// Mirrors runtime/experts/dispatch.hpp.

#include "runtime/experts/dispatch.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

TEST(AssignmentsByExpert, AreSortedByExpertAndThenByRow) {
  auto assignments = std::vector<assignment>{{9, 9, 9}}; // what was there is dropped
  const auto ids = std::vector<std::uint16_t>{5, 1, 3, 0, 5, 7};
  const auto weights = std::vector<float>{0.5f, 0.3f, 0.2f, 0.9f, 0.05f, 0.05f};
  assignments_by_expert(ids, weights, 3, assignments);
  ASSERT_EQ(assignments.size(), 6u);
  const std::pair<std::uint32_t, std::uint32_t> want[] = {{0, 1}, {1, 0}, {3, 0},
                                                          {5, 0}, {5, 1}, {7, 1}};
  for (auto i = 0u; i < 6; ++i) {
    EXPECT_EQ(assignments[i].expert, want[i].first);
    EXPECT_EQ(assignments[i].row, want[i].second);
  }
  EXPECT_EQ(assignments[3].weight, 0.5f);
  EXPECT_EQ(assignments[4].weight, 0.05f);
}

} // namespace
} // namespace larql::experts
