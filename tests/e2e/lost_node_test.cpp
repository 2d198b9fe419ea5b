// Without replicas and without time for a failover (--failover-timeout 0), a node that dies or
// hangs in the middle of an answer ends it in time, with an error that says which node and which
// experts, and nothing hangs.

#include "tests/e2e/programs.hpp"

#include <thread>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

class LostNode : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    first = start_node({"--experts", "0-2", "--name", "alpha"});
    second = start_node({"--experts", "3-7", "--name", "beta"});
  }

  /// A long answer in the making: its first token has been printed.
  [[nodiscard]] std::unique_ptr<child_process> start_run(const words& options = {},
                                                         const std::string& failover = "0") const {
    auto command = larql({"run", vindex().string(), "abc", "-n", "1000000", "--context", "1000100",
                          "--moe-shards", map(), "--failover-timeout", failover});
    command.insert(command.end(), options.begin(), options.end());
    auto child = std::make_unique<child_process>(command);
    EXPECT_TRUE(eventually([&] { return !child->out().empty(); })) << child->err();
    return child;
  }

  static void stop(child_process& child) {
    child.signal(SIGSTOP);
    ASSERT_TRUE(eventually([&] { return process_state(child.pid()) == 'T'; }));
  }
  /// The answer goes on, and ends when it is told to.
  static void go_on(child_process& child) {
    const auto before = child.out().size();
    child.signal(SIGCONT);
    ASSERT_TRUE(eventually([&] { return child.out().size() > before + 100; })) << child.err();
  }

  [[nodiscard]] std::string map() const { return first->owns("0-2") + "," + second->owns("3-7"); }

  node_ptr first;
  node_ptr second;
};

TEST_F(LostNode, AKilledNodeEndsTheRunWithItsNameAndItsExperts) {
  const auto going = start_run();
  second->child().signal(SIGKILL);
  const auto ended = going->wait(20s);
  ASSERT_TRUE(ended) << "hangs";
  EXPECT_EQ(*ended, (exit_status{1, 0})) << going->err();
  const auto error = going->err();
  EXPECT_NE(error.find("beta"), std::string::npos) << error;
  EXPECT_NE(error.find(second->address()), std::string::npos) << error;
  EXPECT_NE(error.find("experts 3-7"), std::string::npos) << error;
}

TEST_F(LostNode, AfterANodeWasKilledAndStartedAgainARunWorks) {
  const auto going = start_run();
  second->child().signal(SIGKILL);
  ASSERT_TRUE(going->wait(20s));
  ASSERT_TRUE(second->child().wait());
  const auto port = std::to_string(second->port());
  second = start_node({"--experts", "3-7", "--name", "beta", "--port", port});
  EXPECT_EQ(std::to_string(second->port()), port);
  EXPECT_EQ(difference(logits({"--moe-shards", map()}), logits()), "");
}

// The deadline is between its floor and --call-timeout, as the calls before it were answered.
TEST_F(LostNode, AHangingNodeEndsTheRunAtTheDeadline) {
  const auto going = start_run({"--call-timeout", "500"});
  second->child().signal(SIGSTOP);
  const auto ended = going->wait(20s);
  ASSERT_TRUE(ended) << "hangs";
  EXPECT_EQ(*ended, (exit_status{1, 0})) << going->err();
  const auto error = going->err();
  EXPECT_NE(error.find("experts 3-7: node beta: no answer within "), std::string::npos) << error;
  second->child().signal(SIGCONT);
  EXPECT_EQ(difference(logits({"--moe-shards", map()}), logits()), "");
}

TEST_F(LostNode, ALaptopThatWasStoppedBlamesNoNode) {
  const auto going = start_run({"--call-timeout", "300"});
  for (auto i = 0; i < 3; ++i) {
    stop(*going);
    std::this_thread::sleep_for(700ms); // a stop is time: longer than any deadline of a call
    go_on(*going);
  }
  going->signal(SIGINT);
  EXPECT_EQ(going->wait(), (exit_status{130, 0})) << going->err();
  EXPECT_EQ(going->err().find("no answer"), std::string::npos) << going->err();
}

TEST_F(LostNode, ANodeThatCameBackWhileTheLaptopWasStoppedIsUsed) {
  const auto options =
      words{"--experts", "3-7", "--name", "beta", "--port", std::to_string(free_port())};
  second = start_node(options);
  const auto going = start_run({}, "1500");
  second->child().signal(SIGKILL);
  ASSERT_TRUE(second->child().wait());
  stop(*going);
  std::this_thread::sleep_for(2s); // longer than it would wait
  second = start_node(options);
  go_on(*going);
  going->signal(SIGINT);
  EXPECT_EQ(going->wait(), (exit_status{130, 0})) << going->err();
}

TEST_F(LostNode, AStoppedNodeIsReportedWhenConnecting) {
  second->child().signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] { return process_state(second->pid()) == 'T'; }));
  const auto done =
      generate({"--moe-shards", map(), "--connect-timeout", "300", "--failover-timeout", "0"});
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find(second->address()), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("no answer in time"), std::string::npos) << done.err;
  second->child().signal(SIGCONT);
  EXPECT_EQ(generate({"--moe-shards", map(), "-n", "3"}).code, 0);
}

TEST_F(LostNode, ADeadAddressIsReportedWhenConnecting) {
  const auto address = second->address();
  second->child().signal(SIGKILL);
  ASSERT_TRUE(second->child().wait());
  const auto done = generate({"--moe-shards", map(), "--failover-timeout", "0"});
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find(address), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("Connection refused"), std::string::npos) << done.err;
}

TEST_F(LostNode, ADrainingNodeEndsTheRun) {
  const auto going = start_run();
  second->child().signal(SIGTERM);
  const auto ended = going->wait(20s);
  ASSERT_TRUE(ended) << "hangs";
  EXPECT_EQ(*ended, (exit_status{1, 0})) << going->err();
  EXPECT_NE(going->err().find("beta"), std::string::npos) << going->err();
  EXPECT_EQ(second->child().wait(), (exit_status{0, 0})) << second->child().err();
}

TEST_F(LostNode, AKilledRunLeavesTheNodesAsTheyWere) {
  const auto before = descriptor_count(first->pid());
  const auto going = start_run();
  going->signal(SIGKILL);
  ASSERT_TRUE(going->wait());
  EXPECT_TRUE(eventually([&] { return descriptor_count(first->pid()) == before; }));
  EXPECT_EQ(difference(logits({"--moe-shards", map()}), logits()), "");
}

} // namespace
} // namespace larql::test
