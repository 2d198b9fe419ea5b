// Mirrors runtime/topology/coverage.hpp.

#include "runtime/topology/coverage.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::topology {
namespace {

using test::fails;
using test::succeeds;

std::string text_of(const std::vector<coverage_row>& rows) {
  auto out = std::string{};
  for (const auto& r : rows) {
    out += fmt::format("{}/{}:", to_string(r.area.layers), to_string(r.area.experts));
    for (const auto& o : r.owners)
      out += " " + o;
    out += "\n";
  }
  return out;
}

const auto whole = std::vector<coverage_part>{{"a", {{0, 3}, {0, 3}}}, {"b", {{0, 3}, {4, 7}}}};

TEST(Coverage, JoinsExpertsAndLayersWithTheSameOwners) {
  EXPECT_EQ(text_of(coverage_table(whole, 4, 8)), "0-3/0-3: a\n0-3/4-7: b\n");
}

TEST(Coverage, ShowsGapsAndReplicas) {
  const auto parts = std::vector<coverage_part>{
      {"a", {{0, 3}, {0, 4}}}, {"b", {{0, 1}, {3, 5}}}, {"c", {{3, 3}, {6, 9}}}};
  EXPECT_EQ(text_of(coverage_table(parts, 4, 8)), "0-1/0-2: a\n0-1/3-4: a b\n0-1/5: b\n0-1/6-7:\n"
                                                  "2/0-4: a\n2/5-7:\n"
                                                  "3/0-4: a\n3/5:\n3/6-7: c\n");
}

TEST(Coverage, LayersThatAreCutAlikeLaterAreNotJoinedAcrossOthers) {
  const auto parts = std::vector<coverage_part>{{"a", {{0, 0}, {0, 1}}}, {"b", {{2, 2}, {0, 1}}}};
  EXPECT_EQ(text_of(coverage_table(parts, 3, 2)), "0/0-1: a\n1/0-1:\n2/0-1: b\n");
}

TEST(Coverage, CompleteMeansEveryExpertOfEveryLayerHasAnOwner) {
  EXPECT_TRUE(succeeds(check_complete(whole, 4, 8)));
  EXPECT_TRUE(fails(check_complete(whole, 5, 8), errc::usage, {"layer 4", "experts 0-7"}));
  EXPECT_TRUE(fails(check_complete(std::span{whole}.first(1), 4, 8), errc::usage,
                    {"layer 0: no shard has experts 4-7"}));
  EXPECT_TRUE(fails(check_complete(std::vector<coverage_part>{{"a", {{0, 3}, {1, 7}}}}, 4, 8),
                    errc::usage, {"no shard has expert 0"}));
  EXPECT_TRUE(fails(check_complete(whole, 4, 6), errc::usage, {"b: experts 4-7", "0-5"}));
}

TEST(Coverage, ExactlyOnceRefusesReplicas) {
  EXPECT_TRUE(succeeds(check_exactly_once(whole, 4, 8)));
  auto parts = whole;
  parts.push_back({"c", {{2, 2}, {5, 5}}});
  EXPECT_TRUE(succeeds(check_complete(parts, 4, 8)));
  EXPECT_TRUE(fails(check_exactly_once(parts, 4, 8), errc::usage,
                    {"layer 2: expert 5 is claimed by both b and c"}));
  parts.push_back({"d", {{1, 3}, {0, 2}}});
  EXPECT_TRUE(fails(check_exactly_once(parts, 4, 8), errc::usage,
                    {"layer 1: experts 0-2 are claimed by both a and d"}));
}

TEST(Coverage, ListsRuns) {
  EXPECT_EQ(list_of(std::vector<std::uint32_t>{}), "");
  EXPECT_EQ(list_of(std::vector<std::uint32_t>{3, 17, 18, 19, 20, 22}), "3, 17-20, 22");
}

} // namespace
} // namespace larql::topology
