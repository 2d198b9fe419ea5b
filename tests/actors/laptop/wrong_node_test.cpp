// A node with wrong weights among honest ones, over real connections: known answers and spot checks
// name it, and no sum of it is used.

#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"
#include "runtime/experts/answer_table.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/expert_batches.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/run_model.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::live_node;
using test::succeeds;

class WrongNode : public testing::Test {
protected:
  WrongNode() {
    for (auto l = 0u; l < wrong.config().layers; ++l)
      test::rotate_experts(wrong.path(), wrong.config(), l);
  }

  static std::unique_ptr<test::running_model> open(const test::tiny_vindex& v) {
    auto out = test::running_model::open(v.path());
    EXPECT_TRUE(succeeds(out));
    return out ? *std::move(out) : nullptr;
  }
  void connect(unsigned spot_check, bool sample) {
    auto c = topology::cluster{};
    c.source = "cluster.toml";
    c.spot_check = spot_check;
    for (const auto* n : nodes) {
      auto entry = topology::node_entry{};
      entry.name = n->description().node;
      entry.address = {"127.0.0.1", n->port(), false};
      c.nodes.push_back(entry);
    }
    const auto weights = vindex::name_weights(honest.path(), honest.config());
    ASSERT_TRUE(succeeds(weights));
    ASSERT_TRUE(laptop);
    auto o = cluster_options{c, identity_of(honest.config(), *weights), "test"};
    o.sample_answers = sample;
    if (sample) {
      ASSERT_TRUE(succeeds(experts::add_known_answers(honest.path(), laptop->compute(), {})));
      auto tables = std::make_shared<answer_tables>();
      const auto sums = vindex::read_checksums(honest.path());
      ASSERT_TRUE(succeeds(sums));
      ASSERT_TRUE(*sums);
      for (const auto& [l, layer] : (*sums)->layers) {
        ASSERT_TRUE(layer.answers) << l;
        tables->emplace(l, *layer.answers);
      }
      o.known = std::move(tables);
    }
    auto connected = cluster::connect(sys, o);
    ASSERT_TRUE(succeeds(connected));
    laptops_cluster = *std::move(connected);
    port.emplace(sys, laptops_cluster->router(), laptops_cluster->formats(), laptop->compute(),
                 laptops_cluster->limits(), laptops_cluster->makers());
    // Who checks a call has to be there when it is made.
    for (const auto end = std::chrono::steady_clock::now() + 20s;
         !all_are_there() && std::chrono::steady_clock::now() < end;)
      std::this_thread::yield();
  }
  /// Every node is connected, or was given up.
  [[nodiscard]] bool all_are_there() const {
    const auto status = laptops_cluster->status();
    const auto& t = status->targets;
    return t.size() == nodes.size() && std::all_of(t.begin(), t.end(), [](const auto& one) {
             return one.connected || !one.last_error.empty();
           });
  }
  [[nodiscard]] bool names(const std::string& node) const {
    if (!laptops_cluster) // connect() has said why
      return false;
    const auto status = laptops_cluster->status();
    return std::any_of(status->targets.begin(), status->targets.end(), [&](const auto& t) {
      return t.name == node && t.last_error.find("wrong answer") != std::string::npos;
    });
  }
  /// Waits until the status says that a node is wrong.
  [[nodiscard]] bool names_soon(const std::string& node) const {
    for (const auto end = std::chrono::steady_clock::now() + 20s;
         std::chrono::steady_clock::now() < end;)
      if (names(node))
        return true;
      else
        std::this_thread::yield();
    return false;
  }

  test::tiny_vindex honest{test::all_in(quant::encoding::q8_0)};
  test::tiny_vindex wrong{test::all_in(quant::encoding::q8_0)};
  std::unique_ptr<test::running_model> laptop = open(honest);
  system_config config;
  caf::actor_system sys{config};
  std::vector<live_node*> nodes;
  std::unique_ptr<cluster> laptops_cluster;
  std::optional<remote_experts> port;
};

TEST_F(WrongNode, WithEveryCallCheckedAllSumsAreRightAndTheLiarIsNamed) {
  auto alpha = live_node{honest, {{0, 2}, {0, 7}}, "alpha"};
  auto liar = live_node{wrong, {{0, 2}, {0, 7}}, "liar"};
  auto omega = live_node{honest, {{0, 2}, {0, 7}}, "omega"};
  nodes = {&alpha, &liar, &omega};
  ASSERT_NO_FATAL_FAILURE(connect(1, false));
  for (auto i = 0u; i < 40; ++i) {
    const auto data = test::random_batch(2, 256, 8, 3, i);
    const auto sums = test::sums_of(*port, data.batch(i % 3));
    ASSERT_TRUE(succeeds(sums));
    const auto expected = test::sums_of(laptop->port(), data.batch(i % 3));
    ASSERT_TRUE(succeeds(expected));
    ASSERT_EQ(*sums, *expected) << i;
  }
  EXPECT_TRUE(names_soon("liar"));
  EXPECT_FALSE(names("alpha"));
  EXPECT_FALSE(names("omega"));
  EXPECT_EQ(laptops_cluster->makers()->condemnations(), 1u);
}

TEST_F(WrongNode, KnownAnswersNameItBeforeAnybodyAsks) {
  auto alpha = live_node{honest, {{0, 2}, {0, 7}}, "alpha"};
  auto liar = live_node{wrong, {{0, 2}, {0, 7}}, "liar"};
  nodes = {&alpha, &liar};
  ASSERT_NO_FATAL_FAILURE(connect(0, true));
  ASSERT_TRUE(names_soon("liar"));
  EXPECT_FALSE(names("alpha"));
  const auto data = test::random_batch(2, 256, 8, 3, 1);
  const auto sums = test::sums_of(*port, data.batch(1));
  ASSERT_TRUE(succeeds(sums));
  const auto expected = test::sums_of(laptop->port(), data.batch(1));
  ASSERT_TRUE(succeeds(expected));
  EXPECT_EQ(*sums, *expected);
}

} // namespace
} // namespace larql::actors
