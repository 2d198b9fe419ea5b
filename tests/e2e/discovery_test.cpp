// Nodes that are found rather than listed: by a name with many addresses, and by nodes that dial
// the laptop.

#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

class Discovery : public model_test {
protected:
  void write_topology(const std::string& discovery) const {
    write_file(
        scratch_ / "c.toml",
        fmt::format("model = \"{}\"\n[discovery]\n{}\n[deadlines]\nreconnect_max = \"500ms\"\n",
                    vindex().string(), discovery));
  }
  [[nodiscard]] words run_command(const std::string& tokens) const {
    return larql({"run", vindex().string(), "abc", "-n", tokens, "--raw", "-q", "--topology",
                  (scratch_ / "c.toml").string()});
  }
  [[nodiscard]] std::string undisturbed(const std::string& tokens) const {
    return run(larql({"run", vindex().string(), "abc", "-n", tokens, "--raw", "-q"})).out;
  }
};

// ---- by name ------------------------------------------------------------------------------------

class DiscoveryByName : public Discovery {
protected:
  void SetUp() override {
    Discovery::SetUp();
    // A hosts file of our own, in a mount namespace of our own: nothing of the machine changes.
    write_file(hosts(), "127.0.0.1 localhost\n");
    if (run(with_hosts({"true"})).code != 0)
      GTEST_SKIP() << "mount namespaces are not allowed here";
  }
  [[nodiscard]] fs::path hosts() const { return scratch_ / "hosts"; }
  [[nodiscard]] words with_hosts(const words& command) const {
    auto out = words{"/usr/bin/unshare",
                     "--user",
                     "--map-root-user",
                     "--mount",
                     "/bin/sh",
                     "-c",
                     "mount --bind \"$0\" /etc/hosts && exec \"$@\"",
                     hosts().string()};
    out.insert(out.end(), command.begin(), command.end());
    return out;
  }
  /// What the name stands for from now on.
  void name_stands_for(const words& addresses) const {
    auto text = std::string{"127.0.0.1 localhost\n"};
    for (const auto& a : addresses)
      text += a + " nodes.example\n";
    write_file(hosts(), text);
  }
};

TEST_F(DiscoveryByName, EveryAddressOfANameIsANode) {
  const auto alpha = start_node({"--bind", "127.0.0.2", "--experts", "0-3", "--name", "alpha"});
  const auto port = std::to_string(alpha->port());
  const auto beta =
      start_node({"--bind", "127.0.0.3", "--port", port, "--experts", "4-7", "--name", "beta"});
  name_stands_for({"127.0.0.2", "127.0.0.3"});
  write_topology(fmt::format("dns = [\"nodes.example:{}\"]", port));
  const auto done = run(with_hosts(run_command("10")));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(difference(done.out, undisturbed("10")), "");
}

TEST_F(DiscoveryByName, ANodeThatIsAddedToTheNameTakesOver) {
  const auto alpha = start_node({"--bind", "127.0.0.2", "--name", "alpha"});
  const auto port = std::to_string(alpha->port());
  name_stands_for({"127.0.0.2"});
  write_topology(fmt::format("dns = [\"nodes.example:{}\"]\ninterval = \"500ms\"", port));
  auto going = child_process{with_hosts(run_command("500"))};
  ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
  alpha->child().signal(SIGKILL);
  const auto beta = start_node({"--bind", "127.0.0.3", "--port", port, "--name", "beta"});
  name_stands_for({"127.0.0.3"});
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  EXPECT_EQ(difference(going.out(), undisturbed("500")), "");
}

TEST_F(DiscoveryByName, ANameThatStandsForNobodyIsAnErrorThatNamesIt) {
  write_topology("dns = [\"nodes.example:9470\"]");
  auto command = run_command("3");
  command.insert(command.end(), {"--connect-timeout", "300", "--failover-timeout", "300"});
  const auto done = run(with_hosts(command));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("nodes.example:9470"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("no node came (nodes.example:9470): "), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("no shard has experts 0-7"), std::string::npos) << done.err;
}

// ---- nodes that dial the laptop -----------------------------------------------------------------

class DiscoveryByJoining : public Discovery {
protected:
  void SetUp() override {
    Discovery::SetUp();
    laptop = fmt::format("127.0.0.1:{}", free_port());
    write_topology(fmt::format("join = \"{}\"", laptop));
  }
  std::string laptop;
};

TEST_F(DiscoveryByJoining, NodesThatAnnounceThemselvesServe) {
  // They are there first and come back until the laptop is.
  const auto alpha = start_node({"--experts", "0-3", "--join", laptop});
  const auto beta = start_node({"--experts", "4-7", "--join", laptop});
  for (auto i = 0; i < 2; ++i) { // and for the next laptop as well
    const auto done = run(run_command("10"));
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(difference(done.out, undisturbed("10")), "");
  }
}

TEST_F(DiscoveryByJoining, IfNobodyComesTheErrorSaysWhereNodesWereExpected) {
  auto command = run_command("3");
  command.insert(command.end(), {"--connect-timeout", "300", "--failover-timeout", "300"});
  const auto done = run(command);
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find(fmt::format("no node came (announced at {}): ", laptop)),
            std::string::npos)
      << done.err;
}

TEST_F(DiscoveryByJoining, ASecondRunSaysThatAnotherHasTheAddress) {
  const auto first = child_process{run_command("3")};
  ASSERT_TRUE(first.wait_for_err("waiting at most")) << first.err();
  const auto second = run(run_command("3"));
  EXPECT_EQ(second.code, 1);
  for (const auto* part : {"cannot listen on", "another larql of this cluster has it"})
    EXPECT_NE(second.err.find(part), std::string::npos) << second.err;
}

TEST_F(DiscoveryByJoining, ANodeThatDiesAndComesBackIsTakenAgain) {
  auto alpha = start_node({"--join", laptop, "--name", "alpha"});
  auto going = child_process{run_command("500")};
  ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
  alpha->child().signal(SIGKILL);
  ASSERT_TRUE(alpha->child().wait());
  alpha = start_node({"--join", laptop, "--name", "alpha"});
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  EXPECT_EQ(difference(going.out(), undisturbed("500")), "");
}

TEST_F(DiscoveryByJoining, NodesThatOfferMemoryAreToldWhatIsMissing) {
  auto going = child_process{run_command("10")};
  // Bytes of five experts in all layers; the second node gets the other three.
  auto bytes = std::uintmax_t{0};
  for (const auto& file : fs::directory_iterator{vindex() / "layers"})
    bytes += fs::file_size(file);
  const auto offer = std::to_string(bytes / 8 * 5);
  const auto alpha = start_node({"--join", laptop, "--available-ram", offer, "--name", "alpha"});
  const auto beta = start_node({"--join", laptop, "--available-ram", offer, "--name", "beta"});
  EXPECT_NE(alpha->child().out().find("experts 0-4, layers 0-5"), std::string::npos)
      << alpha->child().out();
  EXPECT_NE(beta->child().out().find("experts 5-7, layers 0-5"), std::string::npos)
      << beta->child().out();
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  EXPECT_EQ(difference(going.out(), undisturbed("10")), "");
}

TEST_F(DiscoveryByJoining, StatusShowsThemAndLeavesThemToTheNextLaptop) {
  const auto alpha = start_node({"--experts", "0-3", "--join", laptop, "--name", "alpha"});
  const auto beta = start_node({"--experts", "4-7", "--join", laptop, "--name", "beta"});
  {
    auto looking = child_process{larql({"status", "--topology", (scratch_ / "c.toml").string(),
                                        "--watch", "--wait", "0", "--interval", "0.1", "--json"})};
    EXPECT_TRUE(looking.wait_for_out("\"complete\":true")) << looking.out() << looking.err();
    for (const auto* name : {"alpha", "beta"})
      EXPECT_NE(looking.out().find(fmt::format("\"name\":\"{}\"", name)), std::string::npos);
    looking.signal(SIGINT);
    EXPECT_EQ(looking.wait(), (exit_status{130, 0})) << looking.err();
  }
  const auto done = run(run_command("10"));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(difference(done.out, undisturbed("10")), "");
}

TEST_F(DiscoveryByJoining, DrainAndRestartReachThemOverTheirOwnConnection) {
  const auto listed = start_node({"--experts", "0-3", "--name", "alpha"});
  const auto beta = start_node({"--experts", "4-7", "--join", laptop, "--name", "beta"});
  write_file(scratch_ / "c.toml",
             fmt::format("model = \"{}\"\n[[node]]\nname = \"alpha\"\naddress = \"{}\"\n"
                         "experts = \"0-3\"\n[discovery]\njoin = \"{}\"\n",
                         vindex().string(), listed->address(), laptop));
  const auto order = [&](words arguments) {
    arguments.insert(arguments.end(), {"--topology", (scratch_ / "c.toml").string()});
    return run(larql(arguments));
  };
  const auto drained = order({"drain", "beta"});
  EXPECT_EQ(drained.code, 0) << drained.err;
  EXPECT_TRUE(drained.out.starts_with("node beta: drained after")) << drained.out;
  EXPECT_TRUE(beta->child().wait_for_err("state=draining")) << beta->child().err();
  const auto shard = order({"restart", "beta", "--shard"});
  EXPECT_EQ(shard.code, 1);
  EXPECT_NE(shard.err.find("the node is degraded or draining"), std::string::npos) << shard.err;
  const auto restarted = order({"restart", "beta"});
  EXPECT_EQ(restarted.code, 0) << restarted.err;
  EXPECT_NE(restarted.out.find("node beta: serves again"), std::string::npos) << restarted.out;
  const auto done = run(run_command("10"));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(difference(done.out, undisturbed("10")), "");
}

TEST_F(DiscoveryByJoining, ANodeThatDoesNotComeIsAnErrorThatNamesWhoDid) {
  const auto beta = start_node({"--join", laptop, "--name", "beta"});
  const auto done = run(larql({"drain", "gamma", "--topology", (scratch_ / "c.toml").string()}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("no node is called \"gamma\""), std::string::npos) << done.err;
  EXPECT_NE(done.err.find(fmt::format("announced at {}: beta", laptop)), std::string::npos)
      << done.err;
}

TEST_F(DiscoveryByJoining, ANodeOfAnotherModelHearsWhy) {
  auto going = child_process{run_command("10")};
  auto other = tiny_gguf{};
  other.seed = 99;
  other.write(scratch_ / "other.gguf");
  const auto dir = scratch_ / "other.vindex";
  ASSERT_EQ(run(larql({"extract", (scratch_ / "other.gguf").string(), "-o", dir.string()})).code,
            0);
  auto node = node_process{dir, {"--join", laptop, "--name", "omega"}};
  EXPECT_TRUE(node.child().wait_for_err("other fingerprints")) << node.child().err();
  EXPECT_EQ(node.child().wait(0ms), std::nullopt); // it stays, and tries again
}

} // namespace
} // namespace larql::test
