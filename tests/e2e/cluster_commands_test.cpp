// Mirrors cli/{status,control,topology,certs}.cpp from outside: what an operator does with a
// cluster, with certificates, over real connections.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"

#include <nlohmann/json.hpp>

#include <sys/stat.h>

namespace larql::test {
namespace {

class ClusterCommands : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    const auto certs = (scratch_ / "certs").string();
    expect_ok({"certs", "init", "--dir", certs});
    for (const auto& [name, role] :
         {std::pair{"alpha", "node"}, std::pair{"beta", "node"}, std::pair{"gamma", "node"},
          std::pair{"me", "laptop"}, std::pair{"boss", "operator"}})
      expect_ok({"certs", "issue", name, "--role", role, "--dir", certs});
    for (const auto& [name, range] :
         {std::pair{"alpha", "0-3"}, std::pair{"beta", "4-7"}, std::pair{"gamma", "4-7"}})
      nodes_[name] = start_member(name, range, "0");
    write_topology();
  }

  [[nodiscard]] node_ptr start_member(const std::string& name, const std::string& experts,
                                      const std::string& port) const {
    const auto certs = (scratch_ / "certs").string();
    return start_node({"--name", name, "--experts", experts, "--port", port, "--tls-ca",
                       certs + "/ca.pem", "--tls-cert", fmt::format("{}/{}.pem", certs, name),
                       "--tls-key", fmt::format("{}/{}.key", certs, name)});
  }

  void write_topology() const {
    auto text = fmt::format("model = \"{}\"\n", vindex().string());
    for (const auto& [name, node] : nodes_)
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\nexperts = \"{}\"\n", name,
                          node->address(), name == "alpha" ? "0-3" : "4-7");
    text += "[security]\nca = \"certs/ca.pem\"\ncertificate = \"certs/me.pem\"\nkey = "
            "\"certs/me.key\"\n[deadlines]\nconnect = \"2s\"\n";
    write_file(topology(), text);
  }

  [[nodiscard]] fs::path topology() const { return scratch_ / "c.toml"; }

  void expect_ok(const words& arguments) const {
    const auto done = run(larql(arguments));
    EXPECT_EQ(done.code, 0) << arguments.front() << ": " << done.err;
  }

  /// A command with the topology, as the laptop or as the operator.
  [[nodiscard]] finished ask(words arguments) const {
    arguments.insert(arguments.end(), {"--topology", topology().string()});
    return run(larql(arguments));
  }
  [[nodiscard]] finished order(words arguments) const {
    const auto certs = (scratch_ / "certs").string();
    arguments.insert(arguments.end(),
                     {"--tls-cert", certs + "/boss.pem", "--tls-key", certs + "/boss.key"});
    return ask(std::move(arguments));
  }

  [[nodiscard]] nlohmann::json status() const {
    return parse_json_text(ask({"status", "--json", "--pings", "3"}).out);
  }
  [[nodiscard]] nlohmann::json node(const std::string& name) const {
    const auto all = status();
    for (const auto& n : all["nodes"])
      if (n["name"] == name)
        return n;
    return {};
  }

  std::map<std::string, node_ptr> nodes_;
};

TEST_F(ClusterCommands, StatusShowsEveryNodeAndWhoServesWhat) {
  const auto s = status();
  EXPECT_EQ(s["complete"], true);
  ASSERT_EQ(s["nodes"].size(), 3u);
  const auto alpha = s["nodes"][0];
  EXPECT_EQ(alpha["name"], "alpha");
  EXPECT_EQ(alpha["state"], "serving");
  EXPECT_EQ(alpha["experts"], (nlohmann::json{{"first", 0}, {"last", 3}}));
  EXPECT_GT(alpha["round_trip_p50_us"], 0);
  EXPECT_GT(alpha["owned_bytes"], 0);
  EXPECT_GT(alpha["rss_bytes"], 0);
  ASSERT_EQ(s["coverage"].size(), 2u);
  EXPECT_EQ(s["coverage"][1]["nodes"], (words{"beta", "gamma"}));
  const auto text = ask({"status"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(text.out.starts_with("NODE ")) << text.out;
  for (const auto* part : {"\nalpha  serving  127.0.0.1:", "\n4-7      0-5     beta, gamma\n"})
    EXPECT_NE(text.out.find(part), std::string::npos) << part << '\n' << text.out;
  EXPECT_NE(text.out.find("tiny: complete"), std::string::npos) << text.out;
}

TEST_F(ClusterCommands, StatusSaysWhatIsMissingAndFails) {
  nodes_["alpha"]->child().signal(SIGKILL);
  ASSERT_TRUE(nodes_["alpha"]->child().wait());
  const auto done = ask({"status"});
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.out.find("alpha  down"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("Connection refused"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("GAP"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("NOT COMPLETE"), std::string::npos) << done.out;
}

TEST_F(ClusterCommands, AStoppedNodeIsSuspectAndTheOthersAreShown) {
  nodes_["beta"]->child().signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] { return process_state(nodes_["beta"]->pid()) == 'T'; }));
  const auto s = status();
  nodes_["beta"]->child().signal(SIGCONT);
  EXPECT_EQ(s["complete"], true); // gamma has the same
  ASSERT_EQ(s["nodes"].size(), 3u);
  EXPECT_EQ(s["nodes"][1]["state"], "suspect") << json_text(s, 2);
}

TEST_F(ClusterCommands, ALaptopMayNotDrainANode) {
  for (const auto& command :
       {words{"drain", "beta"}, words{"restart", "beta"}, words{"restart", "beta", "--shard"}}) {
    const auto done = ask(command);
    EXPECT_EQ(done.code, 1) << command.front();
    EXPECT_NE(done.err.find("only an operator may"), std::string::npos) << done.err;
  }
  EXPECT_EQ(node("beta")["state"], "serving");
}

TEST_F(ClusterCommands, ADrainedNodeIsNotAskedUntilItIsRestarted) {
  const auto drained = order({"drain", "beta"});
  EXPECT_EQ(drained.code, 0) << drained.err;
  const auto before = node("beta");
  EXPECT_EQ(before["state"], "draining");
  EXPECT_EQ(status()["complete"], true);
  const auto topo = topology().string();
  EXPECT_EQ(difference(logits({"--topology", topo}), logits()), "");
  EXPECT_EQ(node("beta")["served"], before["served"]);

  const auto restarted = order({"restart", "beta"});
  EXPECT_EQ(restarted.code, 0) << restarted.err;
  const auto after = node("beta");
  EXPECT_EQ(after["state"], "serving");
  EXPECT_NE(after["incarnation"], before["incarnation"]);
  EXPECT_EQ(status()["nodes"].size(), 3u); // never twice
}

TEST_F(ClusterCommands, AShardRestartsAndTheConnectionsStay) {
  const auto before = node("gamma");
  const auto done = order({"restart", "gamma", "--shard"});
  EXPECT_EQ(done.code, 0) << done.err;
  const auto after = node("gamma");
  EXPECT_EQ(after["incarnation"], before["incarnation"]);
  EXPECT_EQ(after["restarts"], 1);
}

TEST_F(ClusterCommands, NodesAreFoundByAddressAsWell) {
  EXPECT_EQ(order({"drain", nodes_["beta"]->address()}).code, 0);
  EXPECT_EQ(node("beta")["state"], "draining");
  const auto done = order({"drain", "delta"});
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("no node is called \"delta\"; there are: alpha, beta, gamma"),
            std::string::npos)
      << done.err;
}

TEST_F(ClusterCommands, WithoutACertificateNobodyLearnsAnything) {
  const auto done = run(larql({"status", "--moe-shards", nodes_["alpha"]->owns("0-3")}));
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out.find("serving"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find("experts 0-3"), std::string::npos) << done.out;
}

TEST_F(ClusterCommands, AReasonThatAllNodesHaveIsSaidOnce) {
  const auto others = (scratch_ / "others").string();
  expect_ok({"certs", "init", "--dir", others});
  expect_ok({"certs", "issue", "me", "--role", "laptop", "--dir", others});
  const auto done = run(larql({"run", vindex().string(), "abc", "-n", "1", "-q", "--topology",
                               topology().string(), "--tls-ca", others + "/ca.pem", "--tls-cert",
                               others + "/me.pem", "--tls-key", others + "/me.key"}));
  EXPECT_EQ(done.code, 1) << done.err;
  // By the error; before it, on a busy machine, by who waited for longer than a second.
  const auto error = done.err.substr(done.err.rfind("larql: "));
  const auto at = error.find("different cluster CAs");
  ASSERT_NE(at, std::string::npos) << done.err;
  EXPECT_EQ(error.find("different cluster CAs", at + 1), std::string::npos) << done.err;
  EXPECT_LE(std::count(done.err.begin(), done.err.end(), '\n'), 2) << done.err;
  for (const auto* name : {"node alpha (", "node beta (", "node gamma ("})
    EXPECT_NE(done.err.find(name), std::string::npos) << done.err;
}

TEST_F(ClusterCommands, ARunGoesOnWhenANodeDiesThatHasAReplica) {
  auto going = child_process{larql({"run", vindex().string(), "abc", "-n", "400", "--raw", "-q",
                                    "--topology", topology().string()})};
  ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
  nodes_["beta"]->child().signal(SIGKILL);
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  const auto undisturbed =
      run(larql({"run", vindex().string(), "abc", "-n", "400", "--raw", "-q"}));
  EXPECT_EQ(difference(going.out(), undisturbed.out), "");
}

TEST(TopologyCommand, TheExampleIsACheckedTopology) {
  const auto dir = temporary_directory{};
  const auto file = (dir.path() / "c.toml").string();
  ASSERT_EQ(run(larql({"topology", "init", "-o", file})).code, 0);
  const auto done = run(larql({"topology", "check", file}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.out.find("64-127"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("ok\n"), std::string::npos) << done.out;
  const auto again = run(larql({"topology", "init", "-o", file}));
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("exists already"), std::string::npos) << again.err;
}

TEST(TopologyCommand, GapsAndMistakesNameFileAndLine) {
  const auto dir = temporary_directory{};
  const auto file = (dir.path() / "c.toml").string();
  const auto check = [&](const std::string& text) {
    write_file(file, text);
    return run(larql({"topology", "check", file}));
  };
  const auto node = std::string{"[[node]]\nname = \"a\"\naddress = \"h:1\"\n"};
  const auto gap = check("model = \"m\"\n" + node + "experts = \"2-3\"\n");
  EXPECT_EQ(gap.code, 2);
  EXPECT_NE(gap.err.find("no shard has experts 0-1"), std::string::npos) << gap.err;
  const auto key = check("model = \"m\"\n" + node + "expert = \"0-1\"\n");
  EXPECT_EQ(key.code, 2);
  EXPECT_NE(key.err.find("c.toml:5: "), std::string::npos) << key.err;
}

TEST(Certs, KeysAreForTheirOwnerAndNothingIsReplacedUnasked) {
  const auto dir = temporary_directory{};
  const auto certs = (dir.path() / "certs").string();
  ASSERT_EQ(run(larql({"certs", "init", "--dir", certs})).code, 0);
  ASSERT_EQ(run(larql({"certs", "issue", "a", "--dir", certs, "--host", "127.0.0.1"})).code, 0);
  const auto secret = (dir.path() / "s").string();
  ASSERT_EQ(run(larql({"certs", "secret", secret})).code, 0);
  for (const auto& file : {certs + "/ca.key", certs + "/a.key", secret}) {
    struct stat facts {};
    ASSERT_EQ(::stat(file.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << file;
  }
  const auto before = read_file(certs + "/ca.key");
  for (const auto& command :
       {words{"certs", "init", "--dir", certs}, words{"certs", "issue", "a", "--dir", certs},
        words{"certs", "secret", secret}}) {
    const auto done = run(larql(command));
    EXPECT_NE(done.code, 0) << command[1];
    EXPECT_NE(done.err.find("exist"), std::string::npos) << done.err;
  }
  EXPECT_EQ(read_file(certs + "/ca.key"), before);
}

} // namespace
} // namespace larql::test
