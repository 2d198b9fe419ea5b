// Mirrors actors/calls/node_link.hpp and actors/laptop/remote_experts.hpp from outside: whatever a
// node does, a run ends in time with an error that names it.

#include "tests/e2e/programs.hpp"
#include "tests/support/fake_node.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

// All layers F32 and wide, so that a chunk of the prompt is larger than any socket buffer.
tiny_gguf wide_model() {
  auto m = tiny_gguf{};
  m.layers = 2;
  m.hidden = 2048;
  m.experts = 2;
  m.top_k = 1;
  m.expert_width = 32;
  m.expert_encodings = {quant::encoding::f32};
  return m;
}

class HostileNode : public model_test {
protected:
  HostileNode() : model_test(wide_model()) {}

  void SetUp() override {
    model_test::SetUp();
    const auto node = start_node({"--name", "mallory"});
    const auto greeted = raw_peer{node->port()}.greet();
    ASSERT_TRUE(greeted);
    description = *greeted;
  }

  /// The error of a run with this node; the run must end soon.
  [[nodiscard]] std::string error_of(const fake_node& node, const words& options = {}) {
    auto command =
        larql({"run", vindex().string(), std::string(prompt_bytes, 'x'), "-q", "-n", "64",
               "--moe-shards", node.owns("0-1"), "--chunk", "3500", "--failover-timeout", "0"});
    command.insert(command.end(), options.begin(), options.end());
    auto child = child_process{command};
    const auto ended = child.wait(20s);
    EXPECT_TRUE(ended) << "hangs";
    EXPECT_EQ(ended.value_or(exit_status{}), (exit_status{1, 0}));
    return child.err();
  }

  void expect_error(const fake_node::script& treat, const words& parts, const words& options = {}) {
    const auto node = fake_node{treat};
    const auto error = error_of(node, options);
    for (const auto& part : parts)
      EXPECT_NE(error.find(part), std::string::npos) << error;
  }

  schema::node_description description;
  /// Short, so that a call is read at once on a busy machine too. A call of 3,000 rows has 24 MB,
  /// more than the buffers of any socket: for nodes that do not read it.
  std::size_t prompt_bytes = 8;
};

TEST_F(HostileNode, ANodeThatTakesNoCallEndsTheRunAtTheDeadline) {
  prompt_bytes = 3000;
  expect_error([this](raw_peer& laptop) { laptop.welcome(description); },
               {"node mallory: no answer within 300 ms", "experts 0-1"}, {"--call-timeout", "300"});
}

TEST_F(HostileNode, ANodeThatAnswersNothingEndsTheRunAtTheDeadline) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        (void) laptop.read_payload();
      },
      {"node mallory: no answer within 300 ms"}, {"--call-timeout", "300"});
}

TEST_F(HostileNode, GarbageInsteadOfAnAnswerEndsTheRun) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        (void) laptop.read_payload();
        laptop.send(std::vector<char>(4096, 'x'));
      },
      {"node mallory", "magic"});
}

TEST_F(HostileNode, GarbageBeforeTheWholeCallWasTakenEndsTheRun) {
  prompt_bytes = 3000;
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        laptop.send(std::vector<char>(4096, 'x'));
      },
      {"node mallory"});
}

TEST_F(HostileNode, AnAnswerOfAnotherSizeEndsTheRun) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        const auto call = laptop.read<schema::expert_call>();
        auto result = schema::expert_result{};
        result.id = call ? call->id : 0;
        result.incarnation = description.incarnation;
        result.rows = 1;
        laptop.send(result);
      },
      {"node mallory", "the result has 1 rows, expected"});
}

TEST_F(HostileNode, AnAnswerOfAnotherIncarnationIsNotTaken) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        const auto call = laptop.read<schema::expert_call>();
        auto result = schema::expert_result{};
        result.id = call ? call->id : 0;
        result.incarnation = description.incarnation + 1;
        laptop.send(result);
      },
      {"node mallory: no answer within 300 ms"}, {"--call-timeout", "300"});
}

TEST_F(HostileNode, ARefusedCallEndsTheRunWithTheNodesReason) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        const auto call = laptop.read<schema::expert_call>();
        laptop.send(schema::call_failed{call ? call->id : 0, description.incarnation,
                                        schema::failure_code::internal, "the disk is on fire"});
      },
      {"node mallory", "the disk is on fire"});
}

TEST_F(HostileNode, TextsOfANodeReachTheTerminalWithoutControlCharacters) {
  const auto node = fake_node{[this](raw_peer& laptop) {
    laptop.welcome(description);
    const auto call = laptop.read<schema::expert_call>();
    laptop.send(schema::call_failed{call ? call->id : 0, description.incarnation,
                                    schema::failure_code::internal, "a\x1b[2Jb\r\nc\x7f"});
  }};
  const auto error = error_of(node);
  EXPECT_NE(error.find("a [2Jb  c \n"), std::string::npos) << error;
}

TEST_F(HostileNode, AConnectionThatEndsInTheMiddleOfAnAnswerEndsTheRun) {
  expect_error(
      [this](raw_peer& laptop) {
        laptop.welcome(description);
        (void) laptop.read_payload();
        laptop.send(frame_header(1 << 20));
        laptop.send(std::vector<char>(1 << 19));
        laptop.close();
      },
      {"node mallory", "the connection was closed"});
}

TEST_F(HostileNode, ANodeThatSaysNothingAtAllEndsTheRunAtTheDeadline) {
  expect_error([](raw_peer&) {}, {"no answer in time"}, {"--connect-timeout", "300"});
}

} // namespace
} // namespace larql::test
