// Mirrors actors/admin/local_directory.hpp and actors/net/announce_listener.hpp: who announces
// itself is asked over its own connection, and is listed for as long as it answers.

#include "actors/admin/local_directory.hpp"

#include "actors/node/announcer.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_peer.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::fails;
using test::live_node;
using test::succeeds;

time_limit soon() {
  return std::chrono::steady_clock::now() + test::test_timeout;
}

class AnnouncedNodes : public testing::Test {
protected:
  AnnouncedNodes() {
    const auto s = listen_on({"127.0.0.1", 0});
    EXPECT_TRUE(succeeds(s));
    at = {"127.0.0.1", s ? local_port(*s) : std::uint16_t{0}, false};
  }
  [[nodiscard]] std::unique_ptr<local_directory> open() const {
    auto out = local_directory::open(at, nullptr);
    EXPECT_TRUE(succeeds(out));
    return out ? *std::move(out) : nullptr;
  }
  [[nodiscard]] announce_options joining() const { return {at, nullptr, 5000ms, {10ms, 100ms}}; }

  static std::string names(const result<std::vector<directory_entry>>& nodes) {
    EXPECT_TRUE(succeeds(nodes));
    auto out = std::string{};
    for (const auto& n : *nodes)
      out += n.report ? n.report->description.node + " " : "? ";
    return out;
  }

  test::tiny_vindex model;
  topology::shard_url at;
};

TEST_F(AnnouncedNodes, AreListedByNameWithWhatTheySayOfThemselves) {
  auto beta = live_node{model, {{0, 2}, {4, 7}}, "beta"},
       alpha = live_node{model, {{0, 2}, {0, 3}}, "alpha"};
  const auto directory = open();
  ASSERT_TRUE(directory);
  EXPECT_EQ(names(directory->query_all(1, soon())), "");
  const auto b = announcer{joining(), beta.server()}, a = announcer{joining(), alpha.server()};
  EXPECT_TRUE(eventually([&] { return names(directory->query_all(1, soon())) == "alpha beta "; }));
  const auto asked = directory->query_all(3, soon());
  ASSERT_TRUE(succeeds(asked));
  const auto& all = *asked;
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].report->description.owned.experts, (experts::index_range{4, 7}));
  EXPECT_EQ(all[1].report->round_trips_us.size(), 3u);
  EXPECT_EQ(all[1].report->status.state, schema::node_state::serving);
}

TEST_F(AnnouncedNodes, ANodeThatIsGoneIsSaidOnceAndNotListedAgain) {
  auto alpha = std::make_unique<live_node>(model, experts::ownership{{0, 2}, {0, 7}}, "alpha");
  const auto directory = open();
  ASSERT_TRUE(directory);
  auto a = std::make_unique<announcer>(joining(), alpha->server());
  ASSERT_TRUE(eventually([&] { return names(directory->query_all(1, soon())) == "alpha "; }));
  a.reset();
  alpha.reset();
  EXPECT_EQ(names(directory->query_all(1, soon())), "? ");
  EXPECT_EQ(names(directory->query_all(1, soon())), "");
}

TEST_F(AnnouncedNodes, ComeBackToWhoeverListensNext) {
  auto alpha = live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  const auto a = announcer{joining(), alpha.server()};
  for (auto i = 0; i < 2; ++i) {
    const auto directory = open();
    ASSERT_TRUE(directory);
    EXPECT_TRUE(eventually([&] { return names(directory->query_all(1, soon())) == "alpha "; }))
        << i;
  }
}

TEST_F(AnnouncedNodes, OneIsAskedAndToldByItsName) {
  auto alpha = live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  const auto directory = open();
  ASSERT_TRUE(directory);
  EXPECT_TRUE(fails(directory->query("alpha", soon()), errc::unavailable, {"node alpha"}));
  const auto a = announcer{joining(), alpha.server()};
  ASSERT_TRUE(eventually([&] { return directory->names() == std::vector<std::string>{"alpha"}; }));
  const auto said = directory->control("alpha", schema::control_action::drain, soon());
  ASSERT_TRUE(succeeds(said));
  EXPECT_EQ(*said, "drained");
  const auto now = directory->query("alpha", soon());
  ASSERT_TRUE(succeeds(now));
  EXPECT_EQ(now->status.state, schema::node_state::draining);
  EXPECT_TRUE(fails(directory->control("beta", schema::control_action::drain, soon()),
                    errc::unavailable, {"beta"}));
}

TEST_F(AnnouncedNodes, ADrainedNodeSaysSoToWhoeverListensNext) {
  auto alpha = live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  const auto a = announcer{joining(), alpha.server()};
  {
    const auto directory = open();
    ASSERT_TRUE(directory);
    ASSERT_TRUE(eventually([&] { return !directory->names().empty(); }));
    ASSERT_TRUE(succeeds(directory->control("alpha", schema::control_action::drain, soon())));
  }
  const auto next = open();
  ASSERT_TRUE(next);
  ASSERT_TRUE(eventually([&] { return !next->names().empty(); }));
  const auto all = next->query_all(0, soon());
  ASSERT_TRUE(succeeds(all));
  ASSERT_EQ(all->size(), 1u);
  ASSERT_TRUE(succeeds(all->front().report));
  EXPECT_EQ(all->front().report->description.state, schema::node_state::draining);
}

TEST_F(AnnouncedNodes, WhoOffersMemoryIsToldToStandByAndNamed) {
  const auto directory = open();
  ASSERT_TRUE(directory);
  auto self = schema::announce{};
  self.node = live_node{model, {{0, 2}, {0, 7}}, "gamma"}.description();
  self.owns = false;
  self.available_bytes = 1000;
  self.bytes_per_expert = 10;
  const auto answer = announce_to(joining(), self);
  ASSERT_TRUE(succeeds(answer));
  EXPECT_EQ(answer->accepted.verdict, schema::verdict::standby);
  EXPECT_EQ(directory->offers(), std::vector<std::string>{"gamma"});
  EXPECT_EQ(names(directory->query_all(1, soon())), "");
}

TEST_F(AnnouncedNodes, AnAddressThatSomebodyElseHasIsAnErrorThatNamesIt) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_TRUE(fails(local_directory::open(at, nullptr), errc::io, {host_port(at), "in use"}));
}

TEST_F(AnnouncedNodes, WithoutTlsOnlyLoopbackIsListenedOn) {
  EXPECT_TRUE(fails(local_directory::open({"0.0.0.0", 1, false}, nullptr), errc::usage,
                    {"discovery.join is 0.0.0.0:1", "only a loopback address"}));
}

} // namespace
} // namespace larql::actors
