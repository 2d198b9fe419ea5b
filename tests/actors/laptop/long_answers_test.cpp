// Answers that come in pieces, over real nodes behind far links: the same bits, others overtake
// them, and a link that is lost between two pieces has lost the call and nothing else.

#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/expert_batches.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/wan_link.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

class LongAnswers : public testing::Test {
protected:
  void SetUp() override {
    laptop = *test::running_model::open(model.path());
    const auto layers = experts::index_range{0, model.config().layers - 1};
    node = std::make_unique<test::live_node>(model, experts::ownership{layers, {0, 7}}, "alpha");
    link = std::make_unique<test::wan_link>(
        test::link_to(node->port(), {.down_bytes_per_second = 2e6, .queue_bytes = 16 * 1024}));
    auto c = topology::cluster_of({{{0, 7}, {"127.0.0.1", link->port(), false}}});
    const auto weights = vindex::name_weights(model.path(), model.config());
    nodes = *cluster::connect(sys, {std::move(c), identity_of(model.config(), *weights), "test"});
    port = std::make_unique<remote_experts>(sys, nodes->router(), nodes->formats(),
                                            laptop->compute(), nodes->limits());
  }
  void TearDown() override {
    port.reset();
    nodes.reset();
  }

  [[nodiscard]] test::batch_data data(std::uint32_t rows) const {
    const auto& c = model.config();
    return test::random_batch(rows, c.hidden, c.experts, c.top_k, rows);
  }
  std::vector<std::int64_t> local(const test::batch_data& d, std::uint32_t layer) {
    return *test::sums_of(laptop->port(), d.batch(layer));
  }
  static std::vector<std::int64_t> sums_of(const test::batch_data& d,
                                           const experts::expert_ticket& ticket) {
    auto sums = std::vector<std::int64_t>(d.x.size());
    EXPECT_TRUE(test::succeeds(ticket->wait(sums, {})));
    return sums;
  }

  // Its answer has 2.5 MB and more: over a second on this link.
  static constexpr auto many_rows = 2'000u;

  test::tiny_vindex model{test::mixed_options()};
  std::unique_ptr<test::running_model> laptop;
  std::unique_ptr<test::live_node> node;
  std::unique_ptr<test::wan_link> link;
  system_config config;
  caf::actor_system sys{config};
  std::unique_ptr<cluster> nodes;
  std::unique_ptr<remote_experts> port;
};

TEST_F(LongAnswers, AreOvertakenByShortOnes) {
  const auto prompt = data(many_rows), token = data(1);
  const auto slow = *port->start(prompt.batch(0));
  ASSERT_TRUE(test::eventually([&] { return link->accuracy().down_bytes > 100'000; }));
  const auto fast = *port->start(token.batch(1));
  EXPECT_EQ(sums_of(token, fast), local(token, 1));
  EXPECT_FALSE(slow->is_ready());
  EXPECT_EQ(sums_of(prompt, slow), local(prompt, 0));
}

TEST_F(LongAnswers, MayBeManyAndBeWaitedForInAnyOrder) {
  const auto rows = std::vector{300u, 1u, 200u, 500u, 2u};
  auto tickets = std::vector<experts::expert_ticket>{};
  for (const auto n : rows)
    tickets.push_back(*port->start(data(n).batch(n % 3)));
  for (auto i = rows.size(); i-- > 0;)
    EXPECT_EQ(sums_of(data(rows[i]), tickets[i]), local(data(rows[i]), rows[i] % 3)) << rows[i];
}

TEST_F(LongAnswers, ALinkThatIsLostBetweenTwoPiecesLosesTheCallOnly) {
  const auto prompt = data(many_rows);
  const auto ticket = *port->start(prompt.batch(2));
  ASSERT_TRUE(test::eventually([&] { return link->accuracy().down_bytes > 300'000; }));
  EXPECT_FALSE(ticket->is_ready());
  link->cut();
  EXPECT_EQ(sums_of(prompt, ticket), local(prompt, 2));
  EXPECT_GE(ticket->stats().calls, 2u) << "the call was made again";
}

} // namespace
} // namespace larql::actors
