// Mirrors actors/laptop/late_nodes.hpp: which nodes the router calls late, and how long.

#include "tests/actors/laptop/router_fixture.hpp"

namespace larql::actors {
namespace {

using namespace test;

class RouterLateNodes : public router_fixture {};

TEST_F(RouterLateNodes, ANodeIsLateFromItsDeadlineToItsNextAnswer) {
  options.limits.failover = 30s;
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  advance(99ms);
  EXPECT_TRUE(options.late->all().empty());
  advance(2ms);
  EXPECT_EQ(options.late->all(), std::vector{member(1).description->incarnation});
  advance(10s);
  answer_rightly(1);
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_TRUE(options.late->all().empty());
}

TEST_F(RouterLateNodes, ANodeThatIsAlwaysSlowIsNotLate) {
  options.limits = {};
  start({{0, 3}, {4, 7}});
  const auto calls = std::size_t{260}; // the first ones were compared with a guess
  for (auto i = std::size_t{0}; i < calls; ++i) {
    const auto job = route(make_job(2, 2, some_assignments()));
    answer_rightly(0, i);
    advance(1500ms);
    EXPECT_TRUE(options.late->all().empty()) << i;
    answer_rightly(1, i);
    EXPECT_EQ(error_of(job), "no error");
  }
  route(make_job(2, 2, some_assignments()));
  answer_rightly(0, calls);
  advance(5s);
  EXPECT_TRUE(options.late->all().empty());
  advance(2s);
  EXPECT_EQ(options.late->all().size(), 1u) << "more than four times as long as ever";
  answer_rightly(1, calls);
}

TEST_F(RouterLateNodes, ANewRouterBeginsWithNone) {
  options.late->add(7);
  start({{0, 7}});
  EXPECT_TRUE(options.late->all().empty());
}

} // namespace
} // namespace larql::actors
