// Mirrors actors/supervisor.hpp. No threads, no sockets: what dialling and resolving find is what
// the test says, and time moves when the test says so.

#include "actors/supervisor.hpp"

#include "actors/errc.hpp"
#include "tests/actors/fake_shard.hpp"
#include "tests/support/deterministic_system.hpp"

#include <deque>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto layers = 3u, all = 8u;

schema::model_identity model() {
  auto out = schema::model_identity{};
  out.name = "tiny";
  out.layers = layers;
  out.hidden = 256;
  out.experts = all;
  out.expert_width = 96;
  return out;
}

schema::node_description node(const std::string& name, std::uint64_t incarnation,
                              experts::index_range experts = {0, all - 1}) {
  auto out = schema::node_description{};
  out.node = name;
  out.incarnation = incarnation;
  out.model = model();
  out.owned = {{0, layers - 1}, experts};
  out.formats.assign(layers, quant::activation_format::q8_32);
  return out;
}

topology::node_entry entry(const std::string& name, std::uint16_t port,
                           std::optional<experts::index_range> experts = std::nullopt) {
  auto out = topology::node_entry{};
  out.name = name;
  out.address = {"10.0.0.1", port, false};
  out.experts = experts;
  return out;
}

class Supervisor : public test::deterministic_system {
protected:
  Supervisor() {
    topo.source = "c.toml";
    topo.limits.reconnect_first = 100ms;
    topo.limits.reconnect_max = 1000ms;
    topo.find.interval = 5s;
  }
  ~Supervisor() override {
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    supervisor = nullptr;
    router = nullptr;
    view = nullptr;
    last = nullptr;
    for (auto& l : links)
      l.shard.end();
    settle();
  }

  class fake_router {
  public:
    using handle = router_actor;
    static constexpr const char* name = "fake-router";
    fake_router(handle::pointer, cluster_view_ptr& view) : view_(view) {}
    handle::behavior_type make_behavior() {
      return {[](route_atom, const layer_job_ptr&) {},
              [this](view_atom, const cluster_view_ptr& v) { view_ = v; }, [](tick_atom) {}};
    }

  private:
    cluster_view_ptr& view_;
  };

  void start() {
    router = spawn_state<fake_router>(sys, std::ref(view));
    auto o = supervisor_options{};
    o.cluster = topo;
    o.model = model();
    o.router = router;
    o.network.dial = [this](std::uint64_t target, const topology::shard_url& url) {
      dials.push_back({target, host_port(url)});
    };
    o.network.resolve = [this](const topology::shard_url& url) {
      resolved.push_back(host_port(url));
    };
    o.link = [this](caf::actor_system& system, dial_outcome& outcome, const supervisor_actor&) {
      auto& l = links.emplace_back();
      l.address = outcome.address;
      l.incarnation = (*outcome.node)->incarnation;
      return l.shard.spawn(system, *outcome.node);
    };
    o.on_change = [this](const cluster_status_ptr& s) { last = s; };
    supervisor = spawn_state<supervisor_state>(sys, std::move(o));
    caf::anon_send(supervisor, start_atom::value);
    settle();
  }

  // What becomes of the i-th dialling.
  void connects(std::size_t i, const schema::node_description& d) {
    auto out = std::make_shared<dial_outcome>();
    out->address = dials.at(i).address;
    out->node = description_ptr{std::make_shared<schema::node_description>(d)};
    caf::anon_send(supervisor, dialled_atom::value, dials[i].target, dial_outcome_ptr{out});
    settle();
  }
  void fails(std::size_t i, failure why) {
    auto out = std::make_shared<dial_outcome>();
    out->address = dials.at(i).address;
    out->node = std::move(why);
    caf::anon_send(supervisor, dialled_atom::value, dials[i].target, dial_outcome_ptr{out});
    settle();
  }
  static failure refused() { return fail(errc::unavailable, "10.0.0.1:1: Connection refused"); }

  void found(const std::string& name, const std::vector<topology::shard_url>& urls) {
    caf::anon_send(supervisor, found_atom::value, name,
                   address_list_ptr{std::make_shared<std::vector<topology::shard_url>>(urls)});
    settle();
  }
  void not_found(const std::string& name) {
    caf::anon_send(supervisor, found_atom::value, name, address_list_ptr{});
    settle();
  }

  std::shared_ptr<reply<accepted_ptr>> announce(const schema::announce& a) {
    return ask<accepted_ptr>(supervisor, announce_atom::value,
                             announce_ptr{std::make_shared<schema::announce>(a)});
  }
  /// A node that owns something and dials the laptop.
  static schema::announce serving(const schema::node_description& d) {
    auto a = schema::announce{};
    a.node = d;
    return a;
  }
  /// A node with memory for so many experts.
  static schema::announce offering(const std::string& name, std::uint64_t incarnation,
                                   std::uint64_t experts) {
    auto a = schema::announce{};
    a.node = node(name, incarnation);
    a.node.formats.clear();
    a.node.owned.experts = {1, 0};
    a.owns = false;
    a.bytes_per_expert = 1000;
    a.available_bytes = 1000 * experts;
    return a;
  }
  /// The connection of a node that was told to serve.
  void joins(const schema::node_description& d, const std::string& address) {
    auto out = std::make_shared<dial_outcome>();
    out->address = address;
    out->node = description_ptr{std::make_shared<schema::node_description>(d)};
    caf::anon_send(supervisor, connect_atom::value, dial_outcome_ptr{out});
    settle();
  }
  void notice(std::uint64_t incarnation, schema::node_state state) {
    caf::anon_send(supervisor, notice_atom::value, incarnation, state);
    settle();
  }
  /// The connection that was made as the i-th ends.
  void lose(std::size_t i) {
    links.at(i).shard.end();
    settle();
  }

  /// "alpha 0-3, beta 4-7 (draining)" of the last view.
  [[nodiscard]] std::string members() const {
    auto out = std::string{};
    for (const auto& m : view->members)
      out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", m.description->node,
                         to_string(m.description->owned.experts),
                         m.is_usable() ? "" : fmt::format(" ({})", name_of(m.state)));
    return out;
  }
  [[nodiscard]] std::string why_missing() const {
    auto out = std::string{};
    for (const auto& m : view->missing)
      out += (out.empty() ? "" : "; ") + m.why;
    return out;
  }

  struct dialling {
    std::uint64_t target;
    std::string address;
  };
  struct link {
    test::fake_shard shard;
    std::string address;
    std::uint64_t incarnation = 0;
  };

  topology::cluster topo;
  std::vector<dialling> dials;
  std::vector<std::string> resolved;
  std::deque<link> links;
  cluster_view_ptr view = std::make_shared<cluster_view>();
  cluster_status_ptr last;
  router_actor router;
  supervisor_actor supervisor;
};

// ---- dialling -----------------------------------------------------------------------------------

TEST_F(Supervisor, DialsEveryNodeAndTellsTheRouterWhoIsThere) {
  topo.nodes = {entry("beta", 2, {{4, 7}}), entry("alpha", 1, {{0, 3}})};
  start();
  ASSERT_EQ(dials.size(), 2u);
  EXPECT_EQ(dials[0].address, "10.0.0.1:2");
  connects(0, node("beta", 22, {4, 7}));
  EXPECT_EQ(members(), "beta 4-7");
  connects(1, node("alpha", 11, {0, 3}));
  EXPECT_EQ(members(), "alpha 0-3, beta 4-7");
  EXPECT_EQ(why_missing(), "");
  EXPECT_TRUE(last->targets[0].connected);
}

TEST_F(Supervisor, AFailedDialIsRepeatedAfterABackOffThatGrowsUpToItsMaximum) {
  topo.nodes = {entry("alpha", 1)};
  start();
  fails(0, refused());
  EXPECT_EQ(why_missing(), "node alpha: 10.0.0.1:1: Connection refused");
  EXPECT_EQ(last->targets[0].attempts, 1u);
  auto expected = 75ms; // half of 100 ms, and half of the other half
  for (auto i = std::size_t{1}; i < 8; ++i) {
    advance(expected - 1ms);
    ASSERT_EQ(dials.size(), i) << "too early";
    advance(1ms);
    ASSERT_EQ(dials.size(), i + 1);
    fails(i, refused());
    expected = std::min(2 * expected, 750ms);
  }
}

TEST_F(Supervisor, ASuccessResetsTheBackOff) {
  topo.nodes = {entry("alpha", 1)};
  start();
  for (auto i = std::size_t{0}; i < 5; ++i) {
    fails(i, refused());
    advance(1s);
  }
  connects(5, node("alpha", 1));
  EXPECT_EQ(last->targets[0].attempts, 0u);
  EXPECT_EQ(last->targets[0].last_error, "");
  lose(0);
  EXPECT_EQ(members(), "");
  advance(75ms);
  EXPECT_EQ(dials.size(), 7u);
}

TEST_F(Supervisor, ATargetIsDialledOnceAtATime) {
  topo.nodes = {entry("alpha", 1)};
  start();
  for (auto i = 0; i < 5; ++i)
    caf::anon_send(supervisor, dial_atom::value, dials[0].target);
  settle();
  advance(10s);
  EXPECT_EQ(dials.size(), 1u); // the dialler always answers, by its own deadline
  connects(0, node("alpha", 1));
  caf::anon_send(supervisor, dial_atom::value, dials[0].target);
  settle();
  EXPECT_EQ(dials.size(), 1u);
}

TEST_F(Supervisor, AnOutcomeForATargetThatIsGoneIsHarmless) {
  start();
  dials.push_back({4711, "x:1"});
  connects(0, node("alpha", 1));
  fails(0, refused());
  EXPECT_EQ(links.size(), 0u);
}

// ---- nodes that are not what they should be
// ------------------------------------------------------

TEST_F(Supervisor, ANodeThatIsNotWhatTheTopologySaysIsRefusedAndTheDifferenceIsSaid) {
  const auto refuses = [&](auto change, const char* part) {
    topo.nodes = {entry("alpha", 1, {{0, 3}})};
    topo.nodes[0].layers = {{0, 2}};
    dials.clear();
    start();
    auto d = node("alpha", 1, {0, 3});
    change(d);
    connects(0, d);
    EXPECT_EQ(members(), "") << part;
    EXPECT_NE(why_missing().find(part), std::string::npos) << why_missing();
    EXPECT_NE(why_missing().find("10.0.0.1:1"), std::string::npos) << why_missing();
    EXPECT_TRUE(last->targets[0].refused);
    // It may be repaired: the supervisor asks again.
    advance(1s);
    EXPECT_EQ(dials.size(), 2u);
    connects(1, node("alpha", 2, {0, 3}));
    EXPECT_EQ(members(), "alpha 0-3");
    EXPECT_FALSE(last->targets[0].refused);
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    settle();
  };
  using d = schema::node_description;
  refuses([](d& x) { x.model.hidden = 2816; }, "hidden size 256 here (\"tiny\"), 2816 there");
  refuses([](d& x) { x.model.weights[3] = std::byte{1}; }, "fingerprints differ");
  refuses([](d& x) { x.node = "omega"; }, "calls itself omega, the topology calls it alpha");
  refuses([](d& x) { x.owned.experts = {0, 2}; }, "owns experts 0-2, the topology says 0-3");
  refuses([](d& x) { x.owned.experts = {1, 3}; }, "owns experts 1-3");
  refuses(
      [](d& x) {
        x.owned.layers = {0, 1};
        x.formats.pop_back();
      },
      "owns layers 0-1, the topology says 0-2");
}

TEST_F(Supervisor, ANodeWithALayerInAnotherEncodingIsRefused) {
  topo.nodes = {entry("alpha", 1, {{0, 3}}), entry("beta", 2, {{4, 7}})};
  start();
  connects(0, node("alpha", 1, {0, 3}));
  auto other = node("beta", 2, {4, 7});
  other.formats[1] = quant::activation_format::f32;
  connects(1, other);
  EXPECT_EQ(members(), "alpha 0-3");
  EXPECT_NE(why_missing().find("node beta holds layer 1 in another encoding"), std::string::npos)
      << why_missing();
}

TEST_F(Supervisor, ANodeThatOwnsMoreIsUsedForAllOfIt) {
  topo.nodes = {entry("alpha", 1, {{0, 3}})};
  start();
  connects(0, node("alpha", 1, {0, 7}));
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, TheShortFormUsesNoMoreThanItSays) {
  topo.source.clear();
  topo.nodes = {entry("", 1, {{0, 3}})};
  start();
  connects(0, node("alpha", 1, {0, 7}));
  EXPECT_EQ(members(), "alpha 0-3");
}

// ---- names and incarnations
// ----------------------------------------------------------------------

TEST_F(Supervisor, ARestartedNodeAppearsOnceWithItsNewIncarnation) {
  topo.find.join = topology::shard_url{"127.0.0.1", 1, false};
  start();
  joins(node("alpha", 1), "10.0.0.7:40001");
  EXPECT_EQ(members(), "alpha 0-7");
  // It was killed; its old connection has not ended yet when the new one comes.
  joins(node("alpha", 2), "10.0.0.7:40002");
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
  EXPECT_EQ(view->members[0].address, "10.0.0.7:40002");
  lose(0); // the old connection's end changes nothing
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
}

TEST_F(Supervisor, ADialledNodeThatRestartedIsDialledAgainAndAppearsOnce) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  lose(0);
  EXPECT_EQ(members(), "");
  EXPECT_NE(why_missing().find("node alpha (10.0.0.1:1)"), std::string::npos) << why_missing();
  advance(100ms);
  ASSERT_EQ(dials.size(), 2u);
  connects(1, node("alpha", 2));
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
  EXPECT_EQ(why_missing(), "");
}

TEST_F(Supervisor, TheSameNodeByTwoAddressesIsOneMember) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}, {"fd00::1", 9470, false}});
  ASSERT_EQ(dials.size(), 2u);
  connects(0, node("alpha", 1));
  connects(1, node("alpha", 1));
  EXPECT_EQ(members(), "alpha 0-7");
  EXPECT_EQ(links.size(), 1u);
  EXPECT_TRUE(last->targets[0].connected && last->targets[1].connected);
  lose(0); // both ways are tried again
  advance(100ms);
  EXPECT_EQ(dials.size(), 4u);
}

TEST_F(Supervisor, TwoNodesOfOneNameAreAnErrorThatNamesBoth) {
  topo.nodes = {entry("", 1), entry("", 2)};
  start();
  connects(0, node("alpha", 1));
  connects(1, node("alpha", 2));
  EXPECT_EQ(members(), "alpha 0-7");
  EXPECT_EQ(view->members[0].description->incarnation, 1u);
  EXPECT_NE(why_missing().find("10.0.0.1:2: another node calls itself alpha: 10.0.0.1:1"),
            std::string::npos)
      << why_missing();
  EXPECT_TRUE(last->targets[1].refused);
}

TEST_F(Supervisor, AGhostThatWasReplacedDoesNotComeBack) {
  topo.nodes = {entry("", 1)};
  start();
  connects(0, node("alpha", 1));
  lose(0);
  advance(100ms);
  connects(1, node("beta", 2)); // another node has the address now
  EXPECT_EQ(members(), "beta 0-7");
  EXPECT_EQ(why_missing(), "");
  EXPECT_EQ(last->targets[0].name, "beta");
}

// ---- names that stand for many nodes
// -------------------------------------------------------------

TEST_F(Supervisor, EveryAddressOfANameIsDialledAndTheNameIsAskedAgain) {
  topo.find.dns = {{"nodes", 9470, true}};
  start();
  EXPECT_EQ(resolved.size(), 1u);
  found("nodes:9470", {{"10.0.0.1", 9470, true}, {"10.0.0.2", 9470, true}});
  ASSERT_EQ(dials.size(), 2u);
  connects(0, node("alpha", 1, {0, 3}));
  connects(1, node("beta", 2, {4, 7}));
  advance(5s);
  EXPECT_EQ(resolved.size(), 2u);
  found("nodes:9470",
        {{"10.0.0.1", 9470, true}, {"10.0.0.2", 9470, true}, {"10.0.0.3", 9470, true}});
  ASSERT_EQ(dials.size(), 3u); // the new one only
  EXPECT_EQ(dials[2].address, "10.0.0.3:9470");
}

TEST_F(Supervisor, AnAddressThatIsNotListedAnyMoreIsUsedUntilItIsLostAndThenForgotten) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}, {"10.0.0.2", 9470, false}});
  connects(0, node("alpha", 1, {0, 3}));
  connects(1, node("beta", 2, {4, 7}));
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  EXPECT_EQ(members(), "alpha 0-3, beta 4-7");
  lose(1);
  EXPECT_EQ(members(), "alpha 0-3");
  advance(100ms);
  ASSERT_EQ(dials.size(), 3u); // once more: the name server may have been wrong
  fails(2, refused());
  EXPECT_EQ(last->targets.size(), 1u);
  EXPECT_EQ(why_missing(), "");
  advance(10s);
  EXPECT_EQ(dials.size(), 3u);
}

TEST_F(Supervisor, AnAddressThatIsListedAgainIsKept) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  const auto both =
      std::vector<topology::shard_url>{{"10.0.0.1", 9470, false}, {"10.0.0.2", 9470, false}};
  found("nodes:9470", both);
  fails(1, refused());
  found("nodes:9470", {both[0]});
  found("nodes:9470", both);
  advance(100ms);
  ASSERT_EQ(dials.size(), 3u);
  fails(2, refused());
  EXPECT_EQ(last->targets.size(), 2u);
}

TEST_F(Supervisor, WhileANameServerIsInTroubleItsLastAnswerHolds) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  not_found("nodes:9470");
  EXPECT_EQ(dials.size(), 0u);
  advance(5s);
  EXPECT_EQ(resolved.size(), 2u);
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  connects(0, node("alpha", 1));
  not_found("nodes:9470");
  lose(0);
  advance(100ms);
  EXPECT_EQ(dials.size(), 2u);
  fails(1, refused());
  EXPECT_EQ(last->targets.size(), 1u);
}

TEST_F(Supervisor, ANameAndAStaticNodeWithOneAddressAreOneTarget) {
  topo.nodes = {entry("alpha", 9470)};
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  EXPECT_EQ(dials.size(), 1u);
  found("nodes:9470", {}); // and the static one stays
  fails(0, refused());
  EXPECT_EQ(last->targets.size(), 1u);
}

// ---- nodes that announce themselves
// --------------------------------------------------------------

TEST_F(Supervisor, ANodeThatOwnsExpertsIsToldToServe) {
  start();
  const auto answer = announce(serving(node("alpha", 1, {0, 3})));
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::serve);
  EXPECT_EQ(members(), ""); // not before its connection is there
  joins(node("alpha", 1, {0, 3}), "10.0.0.7:40001");
  EXPECT_EQ(members(), "alpha 0-3");
}

TEST_F(Supervisor, AnAnnouncedNodeOfAnotherModelIsRefusedWithTheDifference) {
  start();
  auto d = node("alpha", 1);
  d.model.experts = 128;
  const auto answer = announce(serving(d));
  ASSERT_TRUE(answer->error);
  EXPECT_NE(text_of(*answer->error).find("experts 8 here (\"tiny\"), 128 there"), std::string::npos)
      << text_of(*answer->error);
  auto offer = offering("beta", 2, 4);
  offer.node.model.hidden = 1;
  EXPECT_TRUE(announce(offer)->error);
}

TEST_F(Supervisor, MemoryIsFilledWithWhatIsMissing) {
  start();
  const auto answer = announce(offering("alpha", 1, 5));
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::load);
  EXPECT_EQ((*answer->value)->experts, (experts::index_range{0, 4}));
}

TEST_F(Supervisor, TwoNodesThatOfferMemoryGetDifferentExperts) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  EXPECT_EQ((*announce(offering("beta", 2, 5))->value)->experts, (experts::index_range{5, 7}));
  const auto third = *announce(offering("gamma", 3, 5))->value;
  EXPECT_EQ(third->verdict, schema::verdict::standby);
  EXPECT_EQ(third->retry_ms, 5000u);
}

TEST_F(Supervisor, ANodeThatAsksAgainGetsTheSameExpertsAgain) {
  // It was restarted while it loaded: its experts must not be kept from it until the promise ends.
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  const auto again = *announce(offering("alpha", 2, 5))->value;
  EXPECT_EQ(again->verdict, schema::verdict::load);
  EXPECT_EQ(again->experts, (experts::index_range{0, 4}));
  EXPECT_EQ((*announce(offering("beta", 3, 5))->value)->experts, (experts::index_range{5, 7}));
}

TEST_F(Supervisor, WhatConnectedNodesAndStaticNodesHaveIsNotMissing) {
  topo.nodes = {entry("alpha", 1, {{0, 1}})}; // will come, even if it is not there now
  start();
  joins(node("beta", 2, {2, 3}), "10.0.0.7:1");
  EXPECT_EQ((*announce(offering("gamma", 3, 10))->value)->experts, (experts::index_range{4, 7}));
}

TEST_F(Supervisor, APromiseIsKeptWhenTheNodeComesAndFreeAgainWhenItIsLost) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  joins(node("alpha", 9, {0, 4}), "10.0.0.7:1");
  EXPECT_EQ((*announce(offering("beta", 2, 2))->value)->experts, (experts::index_range{5, 6}));
  lose(0);
  EXPECT_EQ((*announce(offering("gamma", 3, 5))->value)->experts, (experts::index_range{0, 4}));
}

TEST_F(Supervisor, APromiseThatIsNotKeptExpires) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 8))->value)->experts, (experts::index_range{0, 7}));
  advance(299s);
  EXPECT_EQ((*announce(offering("beta", 2, 8))->value)->verdict, schema::verdict::standby);
  advance(2s);
  EXPECT_EQ((*announce(offering("beta", 2, 8))->value)->experts, (experts::index_range{0, 7}));
}

TEST_F(Supervisor, AnOfferTooSmallForOneExpertStandsBy) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 0))->value)->verdict, schema::verdict::standby);
}

// ---- states
// --------------------------------------------------------------------------------------

TEST_F(Supervisor, ADrainingNodeIsShownAndNotUsed) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  notice(1, schema::node_state::draining);
  EXPECT_EQ(members(), "alpha 0-7 (draining)");
  notice(1, schema::node_state::serving);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, ANodeThatIsStillLoadingIsNotUsedUntilItSaysSo) {
  topo.nodes = {entry("alpha", 1)};
  start();
  auto d = node("alpha", 1);
  d.state = schema::node_state::loading;
  connects(0, d);
  EXPECT_EQ(members(), "alpha 0-7 (loading)");
  notice(1, schema::node_state::serving);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, ANoticeOfANodeThatIsGoneIsHarmless) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  notice(4711, schema::node_state::draining);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, StatusSaysWhereEveryTargetStands) {
  topo.nodes = {entry("alpha", 1), entry("beta", 2)};
  start();
  connects(0, node("alpha", 1));
  fails(1, refused());
  const auto answer = ask<cluster_status_ptr>(supervisor, status_atom::value);
  ASSERT_TRUE(answer->value);
  const auto& s = **answer->value;
  ASSERT_EQ(s.targets.size(), 2u);
  EXPECT_EQ(s.targets[0].name, "alpha");
  EXPECT_TRUE(s.targets[0].connected);
  EXPECT_FALSE(s.targets[1].connected);
  EXPECT_EQ(s.targets[1].last_code, errc::unavailable);
  EXPECT_EQ(s.view->members.size(), 1u);
}

TEST_F(Supervisor, ItsEndEndsEveryConnection) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  const auto shard = links[0].shard.actor();
  caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
  settle();
  const auto answer = ask<shard_status>(shard, status_atom::value);
  EXPECT_TRUE(answer->error); // it has ended
}

} // namespace
} // namespace larql::actors
