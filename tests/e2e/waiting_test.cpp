// What a laptop waits for in the middle of an answer, and what it says meanwhile: nodes that come
// back, and its own return after it was stopped (Ctrl-Z, a lid that was closed). A laptop that was
// stopped blames no node for that.

#include "tests/e2e/programs.hpp"
#include "tests/support/wan_link.hpp"

#include <chrono>

namespace larql::test {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

class Waiting : public model_test {
protected:
  [[nodiscard]] words answer(const words& options) const {
    auto out = larql({"run", vindex().string(), "abc", "--raw", "-q", "-n", "400"});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
  static void expect_begun(const child_process& c) {
    EXPECT_TRUE(eventually([&] { return !c.out().empty(); })) << c.err();
  }
  static void stop(const child_process& c) {
    c.signal(SIGSTOP);
    EXPECT_TRUE(eventually([&] { return process_state(c.pid()) == 'T'; }));
  }
  /// Time is what this is about.
  static void let_pass(clock::duration time) {
    const auto until = clock::now() + time;
    EXPECT_TRUE(eventually([&] { return clock::now() >= until; }));
  }
  void expect_the_undisturbed_answer(child_process& going) const {
    EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
    EXPECT_EQ(difference(going.out(), run(answer({})).out), "");
  }
};

TEST_F(Waiting, AnAnswerThatWaitsForANodeSaysForWhichExperts) {
  const auto alpha = start_node({"--experts", "0-3", "--name", "alpha"});
  auto beta = start_node({"--experts", "4-7", "--name", "beta"});
  const auto port = std::to_string(beta->port());
  auto going =
      child_process{answer({"--moe-shards", alpha->owns("0-3") + "," + beta->owns("4-7")})};
  expect_begun(going);
  beta->child().signal(SIGKILL);
  ASSERT_TRUE(going.wait_for_err("the answer waits, at most 30 s: ")) << going.err();
  EXPECT_NE(going.err().find("4-7"), std::string::npos) << going.err();
  beta = start_node({"--experts", "4-7", "--name", "beta", "--port", port});
  expect_the_undisturbed_answer(going);
}

TEST_F(Waiting, ALaptopThatWasStoppedWhileANodeCameBackGoesOn) {
  auto node = start_node({"--name", "alpha"});
  const auto port = std::to_string(node->port());
  auto going =
      child_process{answer({"--moe-shards", node->owns("0-7"), "--failover-timeout", "3000"})};
  expect_begun(going);
  node->child().signal(SIGKILL);
  ASSERT_TRUE(node->child().wait());
  stop(going);
  let_pass(4s); // longer than an answer waits
  node = start_node({"--name", "alpha", "--port", port});
  going.signal(SIGCONT);
  expect_the_undisturbed_answer(going);
}

TEST_F(Waiting, ALaptopThatWasStoppedDoesNotBlameANodeThatWasThereAllTheTime) {
  const auto node = start_node({"--name", "alpha"});
  auto going = child_process{answer(
      {"--moe-shards", node->owns("0-7"), "--failover-timeout", "0", "--call-timeout", "500"})};
  expect_begun(going);
  stop(going);
  let_pass(3s); // longer than any call may take
  going.signal(SIGCONT);
  expect_the_undisturbed_answer(going);
  EXPECT_EQ(going.err(), "");
}

TEST_F(Waiting, StatusJudgesASlowNodeByItsOwnRoundTrip) {
  const auto node = start_node({"--name", "alpha"});
  for (const auto round_trip : {260ms, 400ms}) {
    const auto link = link_to(node->port(), {.round_trip = round_trip});
    const auto map = fmt::format("0-7=caf://127.0.0.1:{}", link.port());
    const auto seen = run(larql({"status", "--moe-shards", map}));
    EXPECT_EQ(seen.code, 0) << seen.out << seen.err;
    for (const auto* part : {"alpha  serving", "tiny: complete"})
      EXPECT_NE(seen.out.find(part), std::string::npos) << seen.out;
    EXPECT_EQ(seen.out.find("suspect"), std::string::npos) << seen.out;
    EXPECT_EQ(generate({"-n", "1", "-q", "--moe-shards", map}).code, 0);
  }
}

} // namespace
} // namespace larql::test
