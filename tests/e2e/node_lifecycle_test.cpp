// Mirrors cli/node/main.cpp: how a node starts, refuses to start, drains and ends.

#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

class NodeLifecycle : public model_test {
protected:
  /// A node that is expected not to start.
  [[nodiscard]] finished refuse(const words& options) const {
    auto command = larql_node({vindex().string()});
    command.insert(command.end(), options.begin(), options.end());
    auto done = run(command);
    EXPECT_EQ(done.out, "");
    EXPECT_TRUE(done.err.starts_with("larql-node: ")) << done.err;
    return done;
  }
};

TEST_F(NodeLifecycle, TheReadyLineSaysWhoWhereAndWhat) {
  const auto node = start_node({"--experts", "2-5", "--layers", "1-4", "--name", "gamma"});
  EXPECT_TRUE(node->child().out().starts_with(
      fmt::format("larql-node gamma ready on {}: experts 2-5, layers 1-4 (", node->address())))
      << node->child().out();
}

TEST_F(NodeLifecycle, WithoutANameANodeIsCalledAsItsAddress) {
  const auto node = start_node();
  const auto greeted = raw_peer{node->port()}.greet();
  ASSERT_TRUE(greeted);
  EXPECT_EQ(greeted->node, node->address());
}

TEST_F(NodeLifecycle, EveryStartHasAnIncarnationOfItsOwn) {
  const auto a = start_node(), b = start_node();
  const auto first = raw_peer{a->port()}.greet(), second = raw_peer{b->port()}.greet();
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->incarnation, second->incarnation);
  EXPECT_EQ(first->model, second->model);
}

TEST_F(NodeLifecycle, TerminateDrainsAndEndsWell) {
  for (const auto signal : {SIGTERM, SIGINT}) {
    const auto node = start_node();
    node->child().signal(signal);
    EXPECT_EQ(node->child().wait(), (exit_status{0, 0}));
    EXPECT_NE(node->child().err().find("drained"), std::string::npos) << node->child().err();
  }
}

TEST_F(NodeLifecycle, DrainingAnswersEveryCallThatWasTaken) {
  const auto node = start_node({"-t", "1"});
  auto peer = raw_peer{node->port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  // Enough work that most of it waits when the signal comes, with answers of a megabyte.
  constexpr auto calls = 40u;
  const auto example = call_example{*description, 1024};
  auto frames = std::vector<char>{};
  for (auto id = 1u; id <= calls; ++id) {
    auto call = example.call;
    call.id = id;
    schema::encode(call, frames);
  }
  ASSERT_TRUE(peer.send(frames));
  // The pong says how many the node has taken: the signal comes when all are.
  auto taken = 0u;
  auto answered = 0u;
  while (taken + answered < calls) {
    ASSERT_TRUE(peer.send(schema::ping{}));
    for (auto pong = false; !pong;) {
      const auto body = peer.read_payload();
      ASSERT_TRUE(body);
      const auto m = schema::decode(*body);
      ASSERT_TRUE(m);
      if (const auto* p = std::get_if<schema::pong>(&*m)) {
        taken = p->waiting;
        pong = true;
      } else {
        ++answered;
      }
    }
  }
  node->child().signal(SIGTERM);
  while (answered < calls) {
    const auto body = peer.read_payload();
    ASSERT_TRUE(body) << "the node closed after " << answered << " of " << calls << " answers";
    const auto m = schema::decode(*body);
    ASSERT_TRUE(m);
    EXPECT_TRUE(std::holds_alternative<schema::expert_result>(*m));
    ++answered;
  }
  EXPECT_TRUE(peer.is_closed_by_peer());
  EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
}

TEST_F(NodeLifecycle, APeerThatReadsNothingDoesNotKeepANodeFromEnding) {
  const auto node = start_node();
  auto peer = raw_peer{node->port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  const auto example = call_example{*description, 4096};
  for (auto i = 0; i < 8; ++i)
    ASSERT_TRUE(peer.send(example.call));
  node->child().signal(SIGTERM);
  EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
}

TEST_F(NodeLifecycle, APeerThatReadsNothingDoesNotKeepANodeFromStartingAnew) {
  const auto node = start_node({"--port", std::to_string(free_port())});
  auto peer = raw_peer{node->port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  const auto example = call_example{*description, 4096};
  for (auto i = 0; i < 8; ++i)
    ASSERT_TRUE(peer.send(example.call));
  node->child().signal(SIGUSR1); // as `larql restart`
  EXPECT_TRUE(eventually([&] {
    const auto out = node->child().out();
    return out.find("ready on ") != out.rfind("ready on ");
  })) << node->child().err();
}

// Starts a node with a signal that has come already: what comes during the warm-up of a model that
// is large enough to be hit.
class NodeLifecycleSignalled : public NodeLifecycle {
protected:
  [[nodiscard]] std::unique_ptr<child_process> start_with(const std::string& signal) const {
    constexpr auto program = "import os, signal, sys\n"
                             "number = getattr(signal, sys.argv[1])\n"
                             "signal.pthread_sigmask(signal.SIG_BLOCK, [number])\n"
                             "os.kill(os.getpid(), number)\n"
                             "os.execv(sys.argv[2], sys.argv[2:])\n";
    auto command = words{"/usr/bin/env", "python3", "-c", program, signal};
    const auto node = larql_node(
        {vindex().string(), "--warmup", "--port", std::to_string(free_port()), "-t", "2"});
    command.insert(command.end(), node.begin(), node.end());
    return std::make_unique<child_process>(command);
  }
};

TEST_F(NodeLifecycleSignalled, AWarmUpThatIsEndedByARestartStartsAnew) {
  const auto node = start_with("SIGUSR1");
  EXPECT_TRUE(node->wait_for_out("ready on ")) << node->err();
  node->signal(SIGTERM);
  EXPECT_EQ(node->wait(), (exit_status{0, 0})) << node->err();
  EXPECT_NE(node->err().find("an operator: draining"), std::string::npos) << node->err();
}

TEST_F(NodeLifecycleSignalled, AWarmUpThatIsEndedByASignalIsNeverCalledReady) {
  const auto node = start_with("SIGTERM");
  EXPECT_EQ(node->wait(), (exit_status{0, 0})) << node->err();
  EXPECT_EQ(node->out(), "");
  EXPECT_EQ(node->err().find("state=serving"), std::string::npos) << node->err();
  // By the warm-up, or because nothing that takes signals came soon.
  EXPECT_TRUE(node->err().find("SIGTERM: draining") != std::string::npos ||
              node->err().find("ends before it was ready") != std::string::npos)
      << node->err();
}

TEST_F(NodeLifecycle, APortInUseIsAnErrorThatNamesIt) {
  const auto node = start_node();
  const auto done = refuse({"--port", std::to_string(node->port())});
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("cannot listen on " + node->address()), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("in use"), std::string::npos) << done.err;
}

TEST_F(NodeLifecycle, RangesOutsideTheModelAreUsageErrors) {
  auto done = refuse({"--port", "0", "--experts", "4-8"});
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("experts 4-8: the model has experts 0-7"), std::string::npos) << done.err;
  done = refuse({"--port", "0", "--layers", "6"});
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("layers 6: the model has layers 0-5"), std::string::npos) << done.err;
}

TEST_F(NodeLifecycle, MalformedRangesAreUsageErrors) {
  for (const auto* range : {"3-1", "a-b", "1-", "-1", "1-2-3", "", " 1", "1 -2", "0x1-2", "1,2",
                            "99999999999999999999", "0-4294967296"}) {
    const auto done = run(larql_node({vindex().string(), fmt::format("--experts={}", range)}));
    EXPECT_EQ(done.code, 2) << '"' << range << '"';
    EXPECT_NE(done.err.find("--experts"), std::string::npos) << done.err;
  }
}

TEST_F(NodeLifecycle, AddressesThatOthersCanReachAreRefused) {
  for (const auto* address : {"0.0.0.0", "::", "192.168.1.1", "example.org", "128.0.0.1"}) {
    const auto done = refuse({"--bind", address});
    EXPECT_EQ(done.code, 2) << address;
    EXPECT_NE(done.err.find("loopback"), std::string::npos) << done.err;
  }
}

TEST_F(NodeLifecycle, LoopbackAddressesAreTaken) {
  for (const auto* address : {"127.0.0.2", "localhost", "::1"}) {
    const auto node = start_node({"--bind", address});
    EXPECT_FALSE(node->address().empty()) << address;
  }
}

TEST_F(NodeLifecycle, ANameThatTheProtocolCannotCarryIsAUsageError) {
  for (const auto& name :
       {std::string(65, 'n'), std::string{"two\nlines"}, std::string{"\x1b[2J"}}) {
    const auto done = refuse({"--port", "0", "--name", name});
    EXPECT_EQ(done.code, 2);
    EXPECT_NE(done.err.find("--name"), std::string::npos) << done.err;
  }
}

TEST_F(NodeLifecycle, AMissingOrForeignDirectoryIsAnErrorThatNamesIt) {
  write_file(scratch_ / "notes.txt", "no model");
  for (const auto& [path, code] : {std::pair{scratch_ / "nowhere", 1},
                                   std::pair{vindex() / "layers", 1}, // no model of anything
                                   std::pair{scratch_ / "notes.txt", 2}}) {
    const auto done = run(larql_node({path.string(), "--port", "0"}));
    EXPECT_EQ(done.code, code) << path;
    EXPECT_NE(done.err.find(path.string()), std::string::npos) << done.err;
  }
}

TEST_F(NodeLifecycle, AnUnknownInstructionSetIsAUsageError) {
  const auto done = run(larql_node({vindex().string(), "--port", "0"}), {{"LARQL_SIMD", "mmx"}});
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("mmx"), std::string::npos) << done.err;
}

} // namespace
} // namespace larql::test
