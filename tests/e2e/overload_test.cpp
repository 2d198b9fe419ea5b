// A node that is asked for more than it can do says so and goes on; work of a laptop that has gone
// is not done.

#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"

#include <chrono>
#include <future>

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

  struct outcome {
    unsigned done = 0;
    unsigned refused = 0;
  };
  /// Sends `sent` calls of `rows` rows at once; each must be answered, once. Another laptop is
  /// served meanwhile.
  outcome flood(std::uint32_t rows, std::uint32_t sent) {
    auto out = outcome{};
    const auto node = start_node({"-t", "1"});
    const auto expected = logits();
    auto peer = raw_peer{node->port()};
    const auto description = peer.greet_to_call();
    if (!description)
      return out;
    const auto example = call_example{*description, rows};
    // From another thread: a node that is busy does not take them all.
    auto sending = std::async(std::launch::async, [&] { return peer.send(calls(example, sent)); });
    EXPECT_EQ(difference(logits({"--moe-shards", node->owns("0-7")}), expected), "");
    auto seen = std::vector<bool>(sent + 1);
    while (out.done + out.refused < sent && !HasFailure()) {
      const auto body = peer.read_payload();
      const auto m = body ? schema::decode(*body) : fail(errc::unavailable, "closed");
      if (!m) {
        ADD_FAILURE() << m.error().text << " after " << out.done + out.refused << " answers";
        break;
      }
      auto id = std::uint64_t{0};
      if (const auto* r = std::get_if<schema::expert_result>(&*m)) {
        id = r->id;
        ++out.done;
      } else if (const auto* f = std::get_if<schema::call_failed>(&*m)) {
        id = f->id;
        EXPECT_EQ(f->code, schema::failure_code::overloaded) << f->text;
        EXPECT_NE(f->text.find("wait already"), std::string::npos) << f->text;
        ++out.refused;
      }
      EXPECT_TRUE(id >= 1 && id <= sent && !seen[id]) << "call " << id << " is answered twice";
      seen[std::min<std::uint64_t>(id, sent)] = true;
    }
    EXPECT_TRUE(sending.get());
    return out;
  }
};

TEST_F(Overload, EveryLongCallIsAnsweredAndThoseTooManyAreRefused) {
  // So many that most come when the other laptop has been served.
  const auto got = flood(512, 600);
  EXPECT_GT(got.done, 0u);
  EXPECT_GT(got.refused, 0u);
}

// Short calls are computed as they come: those too many wait in the connection.
TEST_F(Overload, EveryShortCallIsAnswered) {
  const auto got = flood(1, 3000);
  EXPECT_EQ(got.done + got.refused, 3000u);
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
