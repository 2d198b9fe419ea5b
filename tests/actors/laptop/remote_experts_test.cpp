// Mirrors actors/laptop/remote_experts.hpp: a session over nodes gives the bits of a session on
// this machine, and survives what nodes do to it.

#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"

#include "actors/laptop/cluster.hpp"
#include "runtime/experts/combined_experts.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/expert_batches.hpp"
#include "tests/support/fake_node.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/wan_link.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fake_node;
using test::live_node;
using test::raw_peer;

class RemoteExperts : public testing::Test {
protected:
  void SetUp() override {
    auto opened = test::running_model::open(model.path());
    ASSERT_TRUE(test::succeeds(opened));
    laptop = *std::move(opened);
  }

  struct owner {
    std::uint16_t port;
    experts::index_range experts;
  };
  /// A port over these nodes.
  std::unique_ptr<remote_experts> connect(const std::vector<owner>& owners,
                                          std::chrono::milliseconds deadline = 10s) {
    auto shards = std::vector<topology::shard_entry>{};
    for (const auto& o : owners)
      shards.push_back({o.experts, {"127.0.0.1", o.port, false}});
    auto c = topology::cluster_of(shards);
    c.limits.call_floor = std::min(c.limits.call_floor, deadline);
    c.limits.call_ceiling = deadline;
    c.limits.failover = 0ms; // these tests are about errors
    const auto weights = vindex::name_weights(model.path(), model.config());
    auto connected =
        cluster::connect(sys, {std::move(c), identity_of(model.config(), *weights), "test"});
    if (!connected) {
      ADD_FAILURE() << connected.error().text;
      return nullptr;
    }
    nodes = *std::move(connected);
    return std::make_unique<remote_experts>(sys, nodes->router(), nodes->formats(),
                                            laptop->compute(), nodes->limits());
  }

  static std::vector<float> all_logits(generate::executor& run, const generate::sequence& s) {
    auto rows = std::vector<generate::executor::row>{};
    for (auto p = 0u; p < s.size(); ++p)
      rows.push_back({&s, p});
    const auto logits = run.logits(rows);
    EXPECT_TRUE(test::succeeds(logits));
    return {logits->begin(), logits->end()};
  }
  std::vector<float> logits_over(experts::expert_port& port) {
    auto out = std::vector<float>{};
    const auto run = laptop->new_executor(port);
    const auto sequence = laptop->new_sequence();
    EXPECT_TRUE(test::succeeds(run->append(*sequence, ids)));
    const auto logits = all_logits(*run, *sequence);
    out.assign(logits.begin(), logits.end());
    last_run = run->stats();
    return out;
  }

  test::tiny_vindex model{test::mixed_options()};
  std::vector<std::uint32_t> ids = test::random_ids(24, model.config().vocab);
  std::unique_ptr<test::running_model> laptop;
  gemma4::pass_stats last_run; // of logits_over()
  system_config config;
  caf::actor_system sys{config};
  std::unique_ptr<cluster> nodes;
};

TEST_F(RemoteExperts, GiveTheBitsOfLocalExperts) {
  const auto expected = logits_over(laptop->port());
  const auto layers = experts::index_range{0, model.config().layers - 1};
  for (const auto& split : std::vector<std::vector<experts::index_range>>{
           {{0, 7}}, {{0, 3}, {4, 7}}, {{0, 0}, {1, 1}, {2, 6}, {7, 7}}}) {
    auto running = std::vector<std::unique_ptr<live_node>>{};
    auto owners = std::vector<owner>{};
    for (const auto& range : split) {
      running.push_back(std::make_unique<live_node>(model, experts::ownership{layers, range},
                                                    fmt::format("node-{}", running.size())));
      owners.push_back({running.back()->port(), range});
    }
    const auto port = connect(owners);
    ASSERT_TRUE(port);
    EXPECT_EQ(logits_over(*port), expected) << split.size() << " nodes";
    EXPECT_EQ(last_run.layers, model.config().layers); // one chunk
    EXPECT_GE(last_run.calls.calls, model.config().layers);
    nodes.reset();
  }
}

TEST_F(RemoteExperts, OnePortDoesNotEndTheGivingWayOfAnother) {
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto node = live_node{model, {layers, {0, 7}}, "alpha"};
  const auto first = connect({{node.port(), {0, 7}}});
  ASSERT_TRUE(first);
  auto& pool = laptop->compute().pool;
  auto second =
      remote_experts{sys, nodes->router(), nodes->formats(), laptop->compute(), nodes->limits()};
  const auto hidden = model.config().hidden;
  const auto x = std::vector<float>(hidden, 0.5f);
  const auto assignments = std::vector<experts::assignment>{{0, 1, 0.5f}};
  const auto batch = experts::expert_batch{0, 1, hidden, x, assignments};
  auto a = first->start(batch);
  auto b = second.start(batch);
  ASSERT_TRUE(test::succeeds(a));
  ASSERT_TRUE(test::succeeds(b));
  auto sums = std::vector<std::int64_t>(hidden);
  ASSERT_TRUE(test::succeeds((*b)->wait(sums, {})));
  b->drop();
  EXPECT_TRUE(pool.gives_way());
  a->drop();
  EXPECT_FALSE(pool.gives_way());
}

TEST_F(RemoteExperts, ALostNodeLeavesTheSessionAsItWas) {
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto a = live_node{model, {layers, {0, 3}}, "alpha"};
  auto b = std::make_unique<live_node>(model, experts::ownership{layers, {4, 7}}, "beta");
  const auto port = connect({{a.port(), {0, 3}}, {b->port(), {4, 7}}});
  ASSERT_TRUE(port);
  const auto run = laptop->new_executor(*port);
  const auto sequence = laptop->new_sequence();
  ASSERT_TRUE(test::succeeds(run->append(*sequence, std::span{ids}.first(10))));
  b.reset();
  const auto failed = run->append(*sequence, std::span{ids}.subspan(10));
  EXPECT_TRUE(test::fails(failed, errc::unavailable, {"node beta", "experts 4-7"}));
  EXPECT_EQ(sequence->size(), 10u);
  // And again: a node that is gone fails at once, not at a deadline.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(run->append(*sequence, std::span{ids}.subspan(10)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(RemoteExperts, AFailedCallLeavesThePortReadyForTheNext) {
  // A node that refuses its third call and serves all others.
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto bank = experts::expert_bank::open(model.path(), model.config(), {layers, {0, 7}});
  ASSERT_TRUE(test::succeeds(bank));
  auto pool = compute_pool{1};
  auto service =
      expert_service{{laptop->compute().k, pool},
                     *bank,
                     describe(model.config(), *bank,
                              *vindex::name_weights(model.path(), model.config()), "moody", 1)};
  const auto node = fake_node{[&](raw_peer& peer) {
    peer.welcome(service.self());
    for (auto n = 0;; ++n) {
      const auto call = peer.read_payload();
      if (!call)
        return;
      const auto m = schema::decode(*call);
      const auto& asked = std::get<schema::expert_call>(*m);
      if (n == 2)
        peer.send(schema::call_failed{asked.id, 1, schema::failure_code::internal, "not today"});
      else
        peer.send(service.run(asked, std::chrono::steady_clock::now()).frame);
    }
  }};
  const auto port = connect({{node.port(), {0, 7}}});
  ASSERT_TRUE(port);
  const auto run = laptop->new_executor(*port);
  const auto sequence = laptop->new_sequence();
  EXPECT_TRUE(test::fails(run->append(*sequence, ids), errc::unavailable,
                          {"layer 2", "node moody", "not today"}));
  EXPECT_EQ(sequence->size(), 0u);
  EXPECT_EQ(logits_over(*port), logits_over(laptop->port()));
  port.get();
  nodes.reset(); // ends the fake node's loop
}

TEST_F(RemoteExperts, ASilentNodeEndsTheWaitAtTheDeadline) {
  auto d = schema::node_description{};
  {
    const auto honest = live_node{model, {{0, model.config().layers - 1}, {0, 7}}, "mute"};
    d = honest.description();
  }
  const auto node = fake_node{[&](raw_peer& peer) { peer.welcome(d); }};
  const auto port = connect({{node.port(), {0, 7}}}, 100ms);
  ASSERT_TRUE(port);
  const auto run = laptop->new_executor(*port);
  const auto sequence = laptop->new_sequence();
  EXPECT_TRUE(test::fails(run->append(*sequence, ids), errc::deadline,
                          {"layer 0", "node mute: no answer within 100 ms"}));
}

TEST_F(RemoteExperts, SessionsOfOneProcessShareANode) {
  const auto expected = logits_over(laptop->port());
  const auto node = live_node{model, {{0, model.config().layers - 1}, {0, 7}}, "alpha"};
  const auto first = connect({{node.port(), {0, 7}}});
  ASSERT_TRUE(first);
  // Both ports hand their jobs to the same router.
  auto second =
      remote_experts{sys, nodes->router(), nodes->formats(), laptop->compute(), nodes->limits()};
  auto other_laptop = test::running_model::open(model.path());
  ASSERT_TRUE(test::succeeds(other_laptop));
  auto got = std::vector<float>{};
  auto other = std::thread{[&] {
    const auto run = (*other_laptop)->new_executor(second);
    const auto sequence = (*other_laptop)->new_sequence();
    for (const auto id : ids) {
      (void) run->append(*sequence, {&id, 1});
      const auto row = run->last_logits(*sequence);
      got.insert(got.end(), row->begin(), row->end());
    }
  }};
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(logits_over(*first), expected);
  other.join();
  EXPECT_EQ(got, expected);
}

// ---- tickets ------------------------------------------------------------------------------------

class RemoteTickets : public RemoteExperts {
protected:
  void SetUp() override {
    RemoteExperts::SetUp();
    alpha = std::make_unique<live_node>(model, experts::ownership{layers, {0, 3}}, "alpha");
    beta = std::make_unique<live_node>(model, experts::ownership{layers, {4, 7}}, "beta");
    port = connect({{alpha->port(), {0, 3}}, {beta->port(), {4, 7}}});
    ASSERT_TRUE(port);
  }
  test::batch_data data(std::uint64_t seed, std::uint32_t rows = 2) const {
    const auto& c = model.config();
    return test::random_batch(rows, c.hidden, c.experts, c.top_k, seed);
  }
  std::vector<std::int64_t> local(const test::batch_data& d, std::uint32_t layer) {
    return *test::sums_of(laptop->port(), d.batch(layer));
  }

  experts::index_range layers{0, model.config().layers - 1};
  std::unique_ptr<live_node> alpha, beta;
  std::unique_ptr<remote_experts> port;
};

TEST_F(RemoteTickets, ManyBatchesAreUnderWayAndMayBeWaitedForInAnyOrder) {
  constexpr auto count = 12u;
  auto tickets = std::vector<experts::expert_ticket>{};
  for (auto i = 0u; i < count; ++i)
    tickets.push_back(*port->start(data(i).batch(i % 3)));
  for (const auto i : {11u, 3u, 0u, 7u, 1u, 2u, 10u, 9u, 4u, 5u, 6u, 8u}) {
    auto sums = std::vector<std::int64_t>(2 * model.config().hidden);
    ASSERT_TRUE(test::succeeds(tickets[i]->wait(sums, {})));
    EXPECT_EQ(sums, local(data(i), i % 3)) << i;
    EXPECT_GE(tickets[i]->stats().calls, 1u);
    EXPECT_GT(tickets[i]->stats().bytes_received, 0u);
    tickets[i].drop();
  }
}

TEST_F(RemoteTickets, SayWhenTheyAreReady) {
  auto ready = std::atomic<int>{0};
  const auto ticket = *port->start(data(1).batch(0), [&] { ++ready; });
  EXPECT_TRUE(test::eventually([&] { return ready.load() == 1; }));
  EXPECT_TRUE(ticket->is_ready());
  auto sums = std::vector<std::int64_t>(2 * model.config().hidden);
  EXPECT_TRUE(test::succeeds(ticket->wait(sums, {})));
  EXPECT_EQ(ready.load(), 1);
}

TEST_F(RemoteTickets, MayBeDroppedWhileOthersGoOn) {
  for (auto round = 0u; round < 20; ++round) {
    auto dropped = *port->start(data(round).batch(0));
    const auto kept = *port->start(data(round + 100).batch(1));
    dropped.drop();
    auto sums = std::vector<std::int64_t>(2 * model.config().hidden);
    ASSERT_TRUE(test::succeeds(kept->wait(sums, {})));
    EXPECT_EQ(sums, local(data(round + 100), 1));
  }
}

TEST_F(RemoteTickets, AStopEndsAWaitForANodeThatDoesNotAnswer) {
  const auto silent = fake_node{[&](raw_peer& peer) { peer.welcome(alpha->description()); }};
  port = connect({{silent.port(), {0, 3}}, {beta->port(), {4, 7}}}, 10min);
  ASSERT_TRUE(port);
  auto stop = std::stop_source{};
  const auto ticket = *port->start(data(1, 8).batch(2));
  auto stopper = std::jthread{[&] { stop.request_stop(); }};
  auto sums = std::vector<std::int64_t>(8 * model.config().hidden);
  EXPECT_TRUE(
      test::fails(ticket->wait(sums, stop.get_token()), errc::cancelled, {"while layer 2 waited"}));
}

TEST_F(RemoteTickets, ExpertsOfThisMachineAndOfNodesAddUpToTheSameBits) {
  const auto expected = logits_over(laptop->port());
  // A third of the experts are here as well; only the others are asked for.
  const auto owned = experts::ownership{layers, {0, 2}};
  const auto bank = experts::expert_bank::open(model.path(), model.config(), owned);
  ASSERT_TRUE(test::succeeds(bank));
  auto near = experts::local_experts{laptop->compute(), *bank};
  auto both = experts::combined_experts{near, owned, *port};
  EXPECT_EQ(logits_over(both), expected);
  const auto alone = last_run.calls.bytes_sent;
  EXPECT_EQ(logits_over(*port), expected);
  EXPECT_GT(last_run.calls.bytes_sent, alone) << "without experts here more is sent";
}

TEST_F(RemoteTickets, ChunksInFlightOverNodesGiveTheSameBits) {
  const auto expected = logits_over(laptop->port());
  const auto run = *generate::executor::create(laptop->model(), laptop->compute(), *port, {3, 4});
  const auto sequence = laptop->new_sequence();
  ASSERT_TRUE(test::succeeds(run->append(*sequence, ids)));
  const auto last = *run->last_logits(*sequence);
  EXPECT_EQ(std::vector<float>(last.begin(), last.end()),
            std::vector<float>(expected.end() - static_cast<std::ptrdiff_t>(last.size()),
                               expected.end()));
}

// ---- nodes that are far away
// ----------------------------------------------------------------------

TEST_F(RemoteTickets, AreAllUnderWayBeforeTheFirstAnswerOfAFarNode) {
  auto link = test::link_to(alpha->port(), {.round_trip = 5ms});
  port = connect({{link.port(), {0, 3}}, {beta->port(), {4, 7}}});
  ASSERT_TRUE(port);
  link.pause();
  constexpr auto count = 12u;
  auto tickets = std::vector<experts::expert_ticket>{};
  for (auto i = 0u; i < count; ++i)
    tickets.push_back(*port->start(data(i, 8).batch(i % 3)));
  for (const auto& ticket : tickets)
    EXPECT_FALSE(ticket->is_ready());
  link.resume();
  for (auto i = count; i-- > 0;) {
    auto sums = std::vector<std::int64_t>(8 * model.config().hidden);
    ASSERT_TRUE(test::succeeds(tickets[i]->wait(sums, {})));
    EXPECT_EQ(sums, local(data(i, 8), i % 3)) << i;
  }
}

TEST_F(RemoteTickets, GiveTheSameBitsOverLinksWithJitterStallsAndLowRates) {
  const auto expected = logits_over(laptop->port());
  for (const auto seed : {1u, 2u, 3u}) {
    const auto profile = test::wan_profile{.round_trip = 3ms,
                                           .jitter = 2ms,
                                           .up_bytes_per_second = 2e6,
                                           .down_bytes_per_second = 1e6,
                                           .queue_bytes = 16 * 1024,
                                           .stall_every = 50ms,
                                           .stall_length = 20ms,
                                           .seed = seed};
    auto first = test::link_to(alpha->port(), profile);
    auto second = test::link_to(beta->port(), profile);
    port = connect({{first.port(), {0, 3}}, {second.port(), {4, 7}}});
    ASSERT_TRUE(port);
    const auto run = *generate::executor::create(laptop->model(), laptop->compute(), *port, {3, 4});
    const auto sequence = laptop->new_sequence();
    ASSERT_TRUE(test::succeeds(run->append(*sequence, ids)));
    const auto last = *run->last_logits(*sequence);
    EXPECT_TRUE(std::equal(last.rbegin(), last.rend(), expected.rbegin())) << seed;
    port.reset();
    nodes.reset();
  }
}

TEST_F(RemoteExperts, AReplicaBehindASlowLinkIsAskedLessThanTheNearOne) {
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto alpha = live_node{model, {layers, {0, 7}}, "alpha"};
  const auto beta = live_node{model, {layers, {0, 7}}, "beta"};
  auto near = test::link_to(alpha.port(), {});
  auto far = test::link_to(beta.port(), {.round_trip = 30ms});
  const auto port = connect({{near.port(), {0, 7}}, {far.port(), {0, 7}}});
  ASSERT_TRUE(port);
  const auto run = laptop->new_executor(*port);
  const auto sequence = laptop->new_sequence();
  for (const auto id : ids)
    ASSERT_TRUE(test::succeeds(run->append(*sequence, {&id, 1})));
  EXPECT_LT(far.accuracy().up_bytes * 2, near.accuracy().up_bytes);
}

// ---- a router or a supervisor that fails --------------------------------------------------------

TEST_F(RemoteTickets, ARouterThatFailsIsReplacedAndItsJobsAreDoneAgain) {
  for (auto round = 0u; round < 5; ++round) {
    const auto before = nodes->router()->generation();
    auto tickets = std::vector<experts::expert_ticket>{};
    for (auto i = 0u; i < 4; ++i)
      tickets.push_back(*port->start(data(i).batch(i % 3)));
    caf::anon_send_exit(nodes->router()->get().first, caf::exit_reason::unhandled_exception);
    for (auto i = 0u; i < 4; ++i) {
      auto sums = std::vector<std::int64_t>(2 * model.config().hidden);
      ASSERT_TRUE(test::succeeds(tickets[i]->wait(sums, {}))) << round;
      EXPECT_EQ(sums, local(data(i), i % 3));
    }
    EXPECT_TRUE(test::eventually([&] { return nodes->router()->generation() > before; }));
  }
}

TEST_F(RemoteTickets, ASupervisorThatFailsIsReplacedAndItsNodesComeBack) {
  const auto incarnation = [&] { return nodes->status()->view->members.size(); };
  ASSERT_EQ(incarnation(), 2u);
  const auto supervisor = nodes->supervisor();
  caf::anon_send_exit(supervisor, caf::exit_reason::unhandled_exception);
  EXPECT_TRUE(test::eventually([&] { return nodes->supervisor() != supervisor; }));
  EXPECT_TRUE(test::eventually([&] { return incarnation() == 2; }));
  EXPECT_TRUE(test::eventually([&] {
    const auto sums = test::sums_of(*port, data(3).batch(1));
    return sums && *sums == local(data(3), 1);
  }));
}

} // namespace
} // namespace larql::actors
