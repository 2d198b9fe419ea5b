// A node that is asked for more than it can do says so and goes on; work of a laptop that has gone
// is not done.

#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"

#include <chrono>

namespace larql::test {
namespace {

class Overload : public model_test {
protected:
  using clock = std::chrono::steady_clock;

  /// `n` calls with ids 1 to n, as one piece.
  static std::vector<char> calls(const call_example& example, std::uint32_t n) {
    auto out = std::vector<char>{};
    for (auto id = 1u; id <= n; ++id) {
      auto call = example.call;
      call.id = id;
      schema::encode(call, out);
    }
    return out;
  }
};

TEST_F(Overload, EveryCallIsAnsweredAndThoseTooManyAreRefused) {
  const auto node = start_node({"-t", "1"});
  const auto expected = logits();
  auto peer = raw_peer{node->port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  constexpr auto sent = 300u;
  const auto example = call_example{*description, 64};
  ASSERT_TRUE(peer.send(calls(example, sent)));
  // Another laptop is served meanwhile.
  EXPECT_EQ(difference(logits({"--moe-shards", node->owns("0-7")}), expected), "");
  auto done = 0u, refused = 0u;
  auto seen = std::vector<bool>(sent + 1);
  const auto take = [&](std::uint64_t id) {
    ASSERT_TRUE(id >= 1 && id <= sent && !seen[id]) << "call " << id << " is answered twice";
    seen[id] = true;
  };
  while (done + refused < sent) {
    const auto body = peer.read_payload();
    ASSERT_TRUE(body) << "the node closed after " << done + refused << " answers";
    const auto m = schema::decode(*body);
    ASSERT_TRUE(m);
    if (const auto* r = std::get_if<schema::expert_result>(&*m)) {
      take(r->id);
      ++done;
    } else if (const auto* f = std::get_if<schema::call_failed>(&*m)) {
      take(f->id);
      EXPECT_EQ(f->code, schema::failure_code::overloaded) << f->text;
      EXPECT_NE(f->text.find("wait already"), std::string::npos) << f->text;
      ++refused;
    }
  }
  EXPECT_GT(done, 0u);
  EXPECT_GT(refused, 0u);
}

TEST_F(Overload, TheWorkOfALaptopThatHasGoneIsNotDone) {
  const auto node = start_node({"-t", "1"});
  const auto scout = raw_peer{node->port()}.greet();
  ASSERT_TRUE(scout);
  const auto example = call_example{*scout, 0, 4096, {0, 1, 2, 3, 4, 5, 6, 7}};
  const auto one_call = [&] {
    auto peer = raw_peer{node->port()};
    EXPECT_TRUE(peer.greet(scout->model));
    const auto begin = clock::now();
    EXPECT_TRUE(peer.send(example.call));
    EXPECT_TRUE(peer.read<schema::expert_result>());
    return clock::now() - begin;
  };
  one_call(); // reads the pages
  const auto alone = one_call();
  constexpr auto waiting = 50u;
  auto peer = raw_peer{node->port()};
  ASSERT_TRUE(peer.greet(scout->model));
  ASSERT_TRUE(peer.send(calls(example, waiting)));
  ASSERT_TRUE(peer.send(schema::ping{1})); // its answer: all were taken
  for (auto taken = false; !taken;) {
    const auto body = peer.read_payload();
    ASSERT_TRUE(body);
    const auto m = schema::decode(*body);
    ASSERT_TRUE(m);
    taken = std::holds_alternative<schema::pong>(*m);
  }
  peer.reset();
  EXPECT_LT(one_call(), waiting / 2 * alone);
}

} // namespace
} // namespace larql::test
