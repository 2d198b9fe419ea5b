// Mirrors cli/support/interrupt.hpp: the first Ctrl-C ends the work in good order, the second at
// once.

#include "tests/e2e/programs.hpp"
#include "tests/support/fake_node.hpp"

namespace larql::test {
namespace {

class Interrupt : public model_test {
protected:
  [[nodiscard]] std::unique_ptr<child_process> start_run(const words& options = {}) const {
    auto command =
        larql({"run", vindex().string(), "abc", "-n", "1000000", "--context", "1000100"});
    command.insert(command.end(), options.begin(), options.end());
    return std::make_unique<child_process>(command);
  }

  static void wait_for_token(const child_process& child) {
    EXPECT_TRUE(eventually([&] { return !child.out().empty(); })) << child.err();
  }

  static void expect_good_end(child_process& child, int signal) {
    EXPECT_EQ(child.wait(), (exit_status{128 + signal, 0})) << child.err();
    EXPECT_NE(child.err().find(" (stopped)"), std::string::npos) << child.err();
    EXPECT_TRUE(child.out().ends_with("\n"));
  }
};

TEST_F(Interrupt, EndsAnAnswerWithTheReport) {
  for (const auto signal : {SIGINT, SIGTERM}) {
    const auto going = start_run();
    wait_for_token(*going);
    going->signal(signal);
    expect_good_end(*going, signal);
  }
}

TEST_F(Interrupt, EndsAnAnswerWithRemoteExpertsWithTheReport) {
  const auto nodes = start_nodes({"0-3", "4-7"});
  const auto going = start_run({"--moe-shards", shard_map(nodes, {"0-3", "4-7"})});
  wait_for_token(*going);
  going->signal(SIGINT);
  expect_good_end(*going, SIGINT);
  EXPECT_NE(going->err().find("per-layer round trip"), std::string::npos) << going->err();
  for (const auto& node : nodes) { // and the nodes have not noticed anything
    node->child().signal(SIGTERM);
    EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
  }
}

TEST_F(Interrupt, OnceEndsTheAnswerEvenIfANodeHangs) {
  const auto node = start_node();
  const auto going = start_run({"--moe-shards", node->owns("0-7"), "--call-timeout", "600000"});
  wait_for_token(*going);
  node->child().signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] { return process_state(node->pid()) == 'T'; }));
  going->signal(SIGINT);
  EXPECT_EQ(going->wait(), (exit_status{130, 0})) << going->err();
}

TEST_F(Interrupt, WhileConnectingEndsTheProgram) {
  const auto silent = fake_node{[](raw_peer&) {}};
  const auto going = start_run({"--moe-shards", silent.owns("0-7"), "--connect-timeout", "600000"});
  ASSERT_TRUE(going->wait_for_err("waiting at most")) << going->err();
  going->signal(SIGINT);
  EXPECT_EQ(going->wait(), (exit_status{130, 0})) << going->err();
}

TEST_F(Interrupt, WhileThePromptIsReadEndsTheProgram) {
  auto going = child_process{larql({"run", vindex().string()}), {}, child_input::pipe};
  going.write("never ended");
  ASSERT_TRUE(eventually([&] { return catches_signal(going.pid(), SIGTERM); }));
  going.signal(SIGTERM);
  EXPECT_EQ(going.wait(), (exit_status{143, 0})) << going.err();
}

TEST_F(Interrupt, EndsALookAtTheClusterThatIsRepeated) {
  const auto node = start_node();
  auto going = child_process{
      larql({"status", "--watch", "--moe-shards", node->owns("0-7"), "--pings", "1"})};
  ASSERT_TRUE(going.wait_for_out("complete"));
  going.signal(SIGINT);
  EXPECT_EQ(going.wait(), (exit_status{130, 0})) << going.err();
}

} // namespace
} // namespace larql::test
