// Mirrors actors/laptop/answer_checker.hpp: which nodes are sampled, and what their answers say.

#include "actors/laptop/answer_checker.hpp"

#include "actors/node/expert_service.hpp"
#include "runtime/experts/known_answers.hpp"
#include "schema/codec.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/tiny_model.hpp"

#include <deque>

namespace larql::actors {
namespace {

using namespace test;
using namespace std::chrono_literals;

class AnswerChecker : public deterministic_system {
protected:
  AnswerChecker() {
    options.hidden = honest.config().hidden;
    options.makers = ledger;
    options.condemn = [this](const cluster_member& m, const std::string& why) {
      condemned.push_back(m.description->node + ": " + why);
    };
    options.uniform = [this] { return static_cast<double>(random.uniform(0, 1)); };
    options.first_samples = 5;
  }
  ~AnswerChecker() override {
    caf::anon_send_exit(checker, caf::exit_reason::user_shutdown);
    checker = nullptr;
    members.clear();
    for (auto& n : nodes)
      n.link.end();
    settle();
  }

  struct node {
    std::optional<experts::expert_bank> bank;
    std::unique_ptr<expert_service> service;
    fake_link link;
    std::size_t served = 0;
  };

  [[nodiscard]] kernels::compute compute() { return {**kernels::kernels_by_name(""), pool}; }

  /// A node that computes with the files of a vindex; its pages are in memory.
  void add(const tiny_vindex& v, const std::string& name) {
    auto& n = nodes.emplace_back();
    const auto& c = v.config();
    auto bank = experts::expert_bank::open(v.path(), c, {{0, c.layers - 1}, {0, c.experts - 1}});
    ASSERT_TRUE(succeeds(bank));
    const auto weights = vindex::name_weights(v.path(), c);
    ASSERT_TRUE(succeeds(weights));
    n.bank = *std::move(bank);
    auto d = describe(c, *n.bank, *weights, name, nodes.size());
    n.service = std::make_unique<expert_service>(compute(), *n.bank, d);
    auto in_memory = schema::node_status{};
    in_memory.owned_bytes = in_memory.resident_bytes = 1000;
    members.push_back({std::make_shared<schema::node_description>(std::move(d)), name + ":9470",
                       caf::actor_cast<caf::strong_actor_ptr>(n.link.spawn(sys)),
                       schema::node_state::serving});
    n.link.answer_admin(std::make_shared<schema::message>(in_memory));
  }
  void start() {
    checker = spawn_state<answer_checker_state>(sys, options);
    publish();
  }
  void publish() {
    auto view = std::make_shared<cluster_view>();
    view->members = members;
    caf::anon_send(checker, view_atom::value, cluster_view_ptr{std::move(view)});
    settle();
  }
  /// All nodes answer until nobody asks any more.
  void serve() {
    for (auto again = true; again;) {
      again = false;
      for (auto& n : nodes)
        for (; n.served < n.link.calls().size(); ++n.served) {
          again = true;
          const auto call = schema::decode(
              std::span{*n.link.calls()[n.served].frame}.subspan(schema::frame_header_bytes));
          auto a = n.service->run(std::get<schema::expert_call>(*call), {});
          EXPECT_TRUE(a.ok);
          const auto body = std::make_shared<std::vector<char>>(
              a.frame.begin() + schema::frame_header_bytes, a.frame.end());
          n.link.answer(n.served, {body, std::get<schema::expert_result>(*schema::decode(*body))});
          settle();
        }
    }
  }
  [[nodiscard]] std::shared_ptr<const answer_tables> table() {
    const auto& c = honest.config();
    const auto bank =
        experts::expert_bank::open(honest.path(), c, {{0, c.layers - 1}, {0, c.experts - 1}});
    auto out = std::make_shared<answer_tables>();
    EXPECT_TRUE(succeeds(bank));
    if (!bank)
      return out;
    auto answers = experts::known_answers{compute(), *bank};
    const auto all = std::vector{0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u};
    for (auto l = 0u; l < c.layers; ++l) {
      auto& t = (*out)[l];
      t.formats = {quant::encoding::q8_0, quant::encoding::q8_0, quant::encoding::q8_0};
      for (const auto& a : answers.of(l, all)) {
        EXPECT_TRUE(succeeds(a));
        t.experts.push_back(a ? std::optional{*a} : std::nullopt);
      }
    }
    return out;
  }

  compute_pool pool{1};
  random_source random{9};
  tiny_vindex honest{all_in(quant::encoding::q8_0)};
  tiny_vindex other{all_in(quant::encoding::q8_0)};
  std::shared_ptr<experts::maker_ledger> ledger = std::make_shared<experts::maker_ledger>();
  answer_checker_options options;
  std::deque<node> nodes;
  std::vector<cluster_member> members;
  std::vector<std::string> condemned;
  answer_checker_actor checker;
};

TEST_F(AnswerChecker, SamplesANewNodeAndThenOncePerInterval) {
  options.known = table();
  add(honest, "alpha");
  start();
  serve();
  EXPECT_EQ(nodes[0].served, 5u);
  EXPECT_TRUE(condemned.empty());
  advance(59s);
  serve();
  EXPECT_EQ(nodes[0].served, 5u);
  advance(2s);
  serve();
  EXPECT_EQ(nodes[0].served, 6u);
  EXPECT_NE(ledger->right_until(1), experts::maker_ledger::time{});
}

TEST_F(AnswerChecker, FindsRotatedExpertTables) {
  for (auto l = 0u; l < other.config().layers; ++l)
    rotate_experts(other.path(), other.config(), l);
  options.known = table();
  add(honest, "alpha");
  add(other, "beta");
  start();
  serve();
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_NE(condemned[0].find("beta: layer "), std::string::npos) << condemned[0];
  EXPECT_NE(condemned[0].find("its known answer is"), std::string::npos) << condemned[0];
  EXPECT_TRUE(ledger->is_condemned(2));
  EXPECT_FALSE(ledger->is_condemned(1));
  EXPECT_EQ(nodes[1].served, 1u); // no more questions after that
}

TEST_F(AnswerChecker, FindsAFlippedBitOnceItAsksForThatExpert) {
  flip_bit(other.path(), other.config(), 1, 3);
  options.known = table();
  options.first_samples = 200;
  add(other, "beta");
  start();
  serve();
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_NE(condemned[0].find("beta: layer 1, expert 3: its known answer is"), std::string::npos)
      << condemned[0];
}

TEST_F(AnswerChecker, ANodeWhosePagesAreNotInMemoryIsLeftAlone) {
  options.known = table();
  add(honest, "alpha");
  auto cold = schema::node_status{};
  cold.owned_bytes = 1000;
  cold.resident_bytes = 500;
  nodes[0].link.answer_admin(std::make_shared<schema::message>(cold));
  start();
  serve();
  advance(61s);
  serve();
  EXPECT_EQ(nodes[0].served, 0u);
}

TEST_F(AnswerChecker, WithoutATableTwoNodesThatDifferAreBothKept) {
  for (auto l = 0u; l < other.config().layers; ++l)
    rotate_experts(other.path(), other.config(), l);
  options.first_samples = 200;
  add(honest, "alpha");
  add(other, "beta");
  start();
  serve();
  EXPECT_TRUE(condemned.empty()); // nothing tells who is right
}

TEST_F(AnswerChecker, WithoutATableTheFirstAnswersOfACondemnedNodeCountNoMore) {
  for (auto l = 0u; l < other.config().layers; ++l)
    rotate_experts(other.path(), other.config(), l);
  options.first_samples = 200;
  add(other, "alpha");
  start();
  serve();
  ledger->condemn(1, "found by another check");
  add(honest, "beta");
  publish();
  serve();
  EXPECT_TRUE(condemned.empty());
  // Compared with its own first answers, which took the place of the other's.
  EXPECT_NE(ledger->right_until(2), experts::maker_ledger::time{});
}

TEST_F(AnswerChecker, WithoutATableANodeThatContradictsItselfIsWrong) {
  options.first_samples = 200;
  add(other, "alpha");
  start();
  serve();
  EXPECT_TRUE(condemned.empty());
  for (auto l = 0u; l < other.config().layers; ++l)
    for (auto e = 0u; e < 8; ++e)
      flip_bit(other.path(), other.config(), l, e);
  for (auto i = 0; i < 20 && condemned.empty(); ++i) {
    advance(61s);
    serve();
  }
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_NE(condemned[0].find("the first one seen was"), std::string::npos) << condemned[0];
}

TEST_F(AnswerChecker, DecidesADisputeByKnownAnswers) {
  for (auto l = 0u; l < other.config().layers; ++l)
    rotate_experts(other.path(), other.config(), l);
  options.known = table();
  options.first_samples = 0;
  add(honest, "alpha");
  add(other, "beta");
  start();
  serve();
  condemned.clear();
  auto d = std::make_shared<dispute>();
  d->layer = 1;
  d->experts = {2, 5};
  d->incarnations = {1, 2};
  const auto before = nodes[0].served;
  caf::anon_send(checker, check_atom::value, dispute_ptr{d});
  settle();
  serve();
  EXPECT_GE(nodes[0].served - before, 2u);
  EXPECT_TRUE(ledger->is_condemned(2));
  EXPECT_FALSE(ledger->is_condemned(1));
}

} // namespace
} // namespace larql::actors
