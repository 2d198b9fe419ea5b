// What an operator sees and steers beside a laptop that runs: the nodes that announced themselves
// to it are asked over it.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/raw_peer.hpp"

#include <nlohmann/json.hpp>

namespace larql::test {
namespace {

class BesideALaptop : public testing::Test {
protected:
  void SetUp() override {
    expect_ok({"extract", (test::source_dir() / "tests/demo_model/larql-demo.gguf").string(), "-o",
               vindex().string()});
    laptop = fmt::format("127.0.0.1:{}", free_port());
    write_topology();
  }

  void write_topology(const std::string& security = {}) const {
    write_file(topology(), fmt::format("model = \"{}\"\n[discovery]\njoin = \"{}\"\n{}[deadlines]\n"
                                       "connect = \"2s\"\nreconnect_max = \"500ms\"\n",
                                       vindex().string(), laptop, security));
  }
  void make_certificates() const {
    expect_ok({"certs", "init", "--dir", certs()});
    for (const auto& [name, role] :
         {std::pair{"alpha", "node"}, std::pair{"me", "laptop"}, std::pair{"boss", "operator"}})
      expect_ok({"certs", "issue", name, "--role", role, "--dir", certs()});
    write_topology("[security]\nca = \"certs/ca.pem\"\ncertificate = \"certs/me.pem\"\n"
                   "key = \"certs/me.key\"\n");
  }

  [[nodiscard]] fs::path vindex() const { return scratch_ / "demo.vindex"; }
  [[nodiscard]] fs::path topology() const { return scratch_ / "c.toml"; }
  [[nodiscard]] std::string certs() const { return (scratch_ / "certs").string(); }
  [[nodiscard]] words as(const std::string& name) const {
    return {"--tls-cert", fmt::format("{}/{}.pem", certs(), name), "--tls-key",
            fmt::format("{}/{}.key", certs(), name)};
  }

  [[nodiscard]] node_ptr start(const std::string& name, const words& options = {}) const {
    auto all = words{"--join", laptop, "--name", name};
    all.insert(all.end(), options.begin(), options.end());
    return std::make_unique<node_process>(vindex(), all);
  }
  /// A chat that is connected and waits for its user.
  [[nodiscard]] std::unique_ptr<child_process> chat(const words& options = {}) const {
    auto command = larql({"chat", "-n", "8", "--topology", topology().string()});
    command.insert(command.end(), options.begin(), options.end());
    auto out =
        std::make_unique<child_process>(command, child_process::variables{}, child_input::pipe);
    EXPECT_TRUE(answers(*out, 1));
    return out;
  }
  /// Asks for an answer, which is to be the n-th.
  static bool answers(const child_process& c, int n) {
    c.write("The capital of France is\n");
    const auto there = eventually([&] {
      auto found = 0;
      const auto text = c.err();
      for (auto at = text.find(" tokens/s"); at != text.npos; at = text.find(" tokens/s", at + 1))
        ++found;
      return found == n;
    });
    EXPECT_TRUE(there) << c.err();
    return there;
  }
  static void expect_ok(const words& arguments) {
    const auto done = run(larql(arguments));
    EXPECT_EQ(done.code, 0) << done.err;
  }
  [[nodiscard]] finished command(words arguments, const words& options = {}) const {
    arguments.insert(arguments.end(), {"--topology", topology().string()});
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(larql(arguments));
  }
  /// What status says of a node.
  [[nodiscard]] nlohmann::json node(const std::string& name) const {
    const auto done = command({"status", "--json", "--pings", "3"});
    const auto all = parse_json_text(done.out);
    for (const auto& n : all["nodes"])
      if (n["name"] == name)
        return n;
    ADD_FAILURE() << name << " is not in " << done.out << done.err;
    return {};
  }

  temporary_directory scratch_;
  std::string laptop; ///< where nodes announce themselves
};

TEST_F(BesideALaptop, StatusListsTheNodesThatAnnouncedThemselves) {
  const auto alpha = start("alpha", {"--experts", "0-7"}),
             beta = start("beta", {"--experts", "8-15"});
  const auto going = chat(); // complete, so both are there
  const auto done = command({"status", "--json", "--pings", "3"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find(fmt::format("at {} are asked over the laptop there", laptop)),
            std::string::npos)
      << done.err;
  const auto s = parse_json_text(done.out);
  EXPECT_EQ(s["complete"], true);
  ASSERT_EQ(s["nodes"].size(), 2u);
  for (const auto& n : s["nodes"]) {
    EXPECT_EQ(n["announced"], true);
    EXPECT_EQ(n["state"], "serving");
    EXPECT_GT(n["round_trip_p50_us"], 0);
    EXPECT_GT(n["served"], 0);
  }
  EXPECT_TRUE(answers(*going, 2)); // which it goes on with
}

TEST_F(BesideALaptop, NodesAreDrainedAndRestartedByName) {
  const auto alpha = start("alpha"), beta = start("beta");
  const auto going = chat();
  const auto drained = command({"drain", "alpha"});
  EXPECT_EQ(drained.code, 0) << drained.err;
  EXPECT_TRUE(drained.out.starts_with("node alpha: drained after")) << drained.out;
  EXPECT_TRUE(alpha->child().wait_for_err("state=draining"));
  EXPECT_EQ(node("alpha")["state"], "draining");
  EXPECT_TRUE(answers(*going, 2)); // by beta
  const auto before = node("beta");
  const auto shard = command({"restart", "beta", "--shard"});
  EXPECT_EQ(shard.code, 0) << shard.err;
  EXPECT_EQ(node("beta")["restarts"], 1);
  EXPECT_EQ(node("beta")["incarnation"], before["incarnation"]);
  const auto restarted = command({"restart", "alpha"});
  EXPECT_EQ(restarted.code, 0) << restarted.err;
  EXPECT_NE(restarted.out.find("node alpha: serves again"), std::string::npos) << restarted.out;
  EXPECT_TRUE(answers(*going, 3));
}

TEST_F(BesideALaptop, AVisitorThatFloodsItAndReadsNothingIsGivenUp) {
  const auto alpha = start("alpha");
  const auto going = chat();
  const auto before = memory_bytes(going->pid(), "RssAnon");
  const auto visitor =
      raw_peer{static_cast<std::uint16_t>(std::stoi(laptop.substr(laptop.rfind(':') + 1)))};
  ASSERT_TRUE(visitor.send(schema::hello{schema::protocol_version, "visitor", {}}));
  ASSERT_TRUE(visitor.read_payload()); // the nodes
  auto flood = std::vector<char>{};
  for (auto i = 0u; i < 1000; ++i)
    schema::encode(schema::control{i, schema::control_action::drain, 4711}, flood);
  EXPECT_TRUE(eventually([&] { return !visitor.send(flood); })) << going->err();
  EXPECT_TRUE(going->wait_for_err("larql: admin: ")) << going->err();
#if !defined(__SANITIZE_ADDRESS__) // which keeps freed memory
  EXPECT_LT(memory_bytes(going->pid(), "RssAnon"), before + (32u << 20));
#endif
  EXPECT_TRUE(answers(*going, 2)); // which it goes on with
  EXPECT_EQ(command({"status"}).code, 0);
}

TEST_F(BesideALaptop, ANodeThatTheLaptopHasNotIsAnErrorThatNamesThoseItHas) {
  const auto alpha = start("alpha");
  const auto going = chat();
  const auto done = command({"drain", "omega", "--wait", "1"});
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find(fmt::format("announced at {}: alpha", laptop)), std::string::npos)
      << done.err;
}

TEST_F(BesideALaptop, OrdersNeedAnOperatorOnBothSidesOfTheLaptop) {
  make_certificates();
  const auto alpha = start("alpha", [&] {
    auto out = as("alpha");
    out.insert(out.end(), {"--tls-ca", certs() + "/ca.pem"});
    return out;
  }());
  {
    const auto going = chat(); // as a laptop, from which alpha takes no orders
    EXPECT_EQ(node("alpha")["state"], "serving");
    const auto by_laptop = command({"drain", "alpha"});
    EXPECT_EQ(by_laptop.code, 1);
    EXPECT_NE(by_laptop.err.find("a laptop may not control a node"), std::string::npos)
        << by_laptop.err;
    const auto by_operator = command({"drain", "alpha"}, as("boss"));
    EXPECT_EQ(by_operator.code, 1);
    EXPECT_NE(by_operator.err.find("a laptop whose certificate is one of a laptop"),
              std::string::npos)
        << by_operator.err;
  }
  { // without a laptop, alpha sees the operator itself
    const auto by_laptop = command({"drain", "alpha"});
    EXPECT_EQ(by_laptop.code, 1);
    EXPECT_NE(by_laptop.err.find("a laptop may not control a node"), std::string::npos)
        << by_laptop.err;
    EXPECT_EQ(command({"restart", "alpha"}, as("boss")).code, 0);
  }
  const auto going = chat(as("boss"));
  const auto by_laptop = command({"drain", "alpha"});
  EXPECT_EQ(by_laptop.code, 1);
  EXPECT_NE(by_laptop.err.find("a laptop may not control a node"), std::string::npos)
      << by_laptop.err;
  const auto by_operator = command({"drain", "alpha"}, as("boss"));
  EXPECT_EQ(by_operator.code, 0) << by_operator.err;
  EXPECT_TRUE(alpha->child().wait_for_err("state=draining"));
}

TEST_F(BesideALaptop, WhoeverHasNoCertificateLearnsNothing) {
  make_certificates();
  const auto alpha = start("alpha", [&] {
    auto out = as("alpha");
    out.insert(out.end(), {"--tls-ca", certs() + "/ca.pem"});
    return out;
  }());
  const auto going = chat();
  write_topology();
  const auto done = command({"status"});
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out.find("alpha"), std::string::npos) << done.out;
  EXPECT_NE(done.err.find("go to the program that listens there"), std::string::npos) << done.err;
}

TEST_F(BesideALaptop, AnotherProgramAtTheAddressIsSaidToHaveTheNodes) {
  const auto watching =
      child_process{larql({"status", "--watch", "--wait", "0", "--topology", topology().string()})};
  ASSERT_TRUE(watching.wait_for_out("no node answers"));
  const auto beside_status = command({"status"});
  EXPECT_EQ(beside_status.code, 1);
  EXPECT_NE(beside_status.err.find("go to the program that listens there"), std::string::npos)
      << beside_status.err;
  EXPECT_NE(beside_status.err.find("a program that only looks at them"), std::string::npos)
      << beside_status.err;

  const auto silent = actors::listen_on({"127.0.0.1", 0}); // takes connections and says nothing
  ASSERT_TRUE(silent);
  laptop = fmt::format("127.0.0.1:{}", actors::local_port(*silent));
  write_topology();
  const auto beside_silence = command({"status"});
  EXPECT_EQ(beside_silence.code, 1);
  EXPECT_NE(beside_silence.err.find("go to the program that listens there"), std::string::npos)
      << beside_silence.err;
}

} // namespace
} // namespace larql::test
