// A node and its laptop at start: who waits for whom, what they say meanwhile, and certificates
// that are looked at before a peer refuses them.

#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

class NodeStart : public model_test {
protected:
  [[nodiscard]] std::string certs() const { return (scratch_ / "certs").string(); }
  void make_certificates() const {
    for (const auto& c : {words{"certs", "init", "--dir", certs()},
                          words{"certs", "issue", "alpha", "--dir", certs()},
                          words{"certs", "issue", "me", "--role", "laptop", "--dir", certs()}})
      ASSERT_EQ(run(larql(c)).code, 0);
  }
  [[nodiscard]] words tls(const std::string& certificate, const std::string& key) const {
    return {"--tls-ca",   certs() + "/ca.pem",
            "--tls-cert", fmt::format("{}/{}.pem", certs(), certificate),
            "--tls-key",  fmt::format("{}/{}.key", certs(), key)};
  }
  [[nodiscard]] finished refused_node(words options) const {
    options.insert(options.begin(), {vindex().string(), "--port", "0"});
    return run(larql_node(options));
  }
};

TEST_F(NodeStart, ARunWaitsForANodeThatComesLaterAndSaysSo) {
  const auto port = std::to_string(free_port());
  auto laptop = child_process{larql(
      {"run", vindex().string(), "abc", "-n", "1", "--moe-shards", "0-7=caf://127.0.0.1:" + port})};
  EXPECT_TRUE(laptop.wait_for_err("waiting at most")) << laptop.err();
  const auto node = start_node({"--port", port});
  EXPECT_EQ(laptop.wait(), (exit_status{0, 0})) << laptop.err();
}

TEST_F(NodeStart, ANodeThatLoadsSaysSoOnItsPort) {
  const auto port = std::to_string(free_port());
  auto node = child_process{larql_node(
      {vindex().string(), "--port", port, "--join", "127.0.0.1:1", "--available-ram", "1GB"})};
  ASSERT_TRUE(node.wait_for_err("127.0.0.1:1")) << node.err();
  const auto seen = run(larql({"status", "--moe-shards", "0-7=caf://127.0.0.1:" + port}));
  EXPECT_EQ(seen.code, 1);
  EXPECT_NE(seen.out.find("loading"), std::string::npos) << seen.out;
  EXPECT_NE(seen.out.find("waiting for a coordinator"), std::string::npos) << seen.out;
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), (exit_status{0, 0})) << node.err();
}

TEST_F(NodeStart, FilesThatNoLaptopWouldTakeAreAnErrorAtOnce) {
  make_certificates();
  const auto laptops = refused_node(tls("me", "me"));
  EXPECT_EQ(laptops.code, 2);
  EXPECT_NE(laptops.err.find("is the certificate of the laptop me, expected one of a node"),
            std::string::npos)
      << laptops.err;
  auto named = tls("alpha", "alpha");
  named.insert(named.end(), {"--name", "beta"});
  EXPECT_NE(refused_node(named).err.find("expected that of beta"), std::string::npos);
  fs::permissions(certs() + "/alpha.key", fs::perms{0644});
  const auto open = refused_node(tls("alpha", "alpha"));
  EXPECT_EQ(open.code, 2);
  EXPECT_NE(open.err.find("expected 0600"), std::string::npos) << open.err;
}

TEST_F(NodeStart, ALaptopWhoseKeyOthersMayReadIsWarned) {
  make_certificates();
  const auto node = start_node(tls("alpha", "alpha"));
  fs::permissions(certs() + "/me.key", fs::perms{0644});
  auto options = tls("me", "me");
  options.insert(options.end(), {"-n", "1", "-q", "--moe-shards", "0-7=tls://" + node->address()});
  const auto done = generate(options);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("me.key: others may read or replace it (mode 0644)"), std::string::npos)
      << done.err;
}

TEST_F(NodeStart, ANodesCertificateOnALaptopIsRefusedWithTheReason) {
  make_certificates();
  const auto node = start_node(tls("alpha", "alpha"));
  auto options = tls("alpha", "alpha");
  options.insert(options.end(), {"--moe-shards", "0-7=tls://" + node->address()});
  const auto done = generate(options);
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("your certificate is one of a node, expected a laptop"),
            std::string::npos)
      << done.err;
}

TEST_F(NodeStart, HangupReadsCertificatesAgainAndKeepsTheOldOnesIfTheNewAreNoGood) {
  make_certificates();
  const auto node = start_node(tls("alpha", "alpha"));
  auto laptop = tls("me", "me");
  laptop.insert(laptop.end(), {"-n", "1", "-q", "--moe-shards", "0-7=tls://" + node->address()});
  // A new CA: both sides know the old and the new one first (docs/operations.md).
  const auto old_ca = read_file(certs() + "/ca.pem");
  ASSERT_EQ(run(larql({"certs", "init", "--force", "--dir", certs()})).code, 0);
  write_file(certs() + "/ca.pem", old_ca + read_file(certs() + "/ca.pem"));
  node->child().signal(SIGHUP);
  ASSERT_TRUE(node->child().wait_for_err("certificates were read again")) << node->child().err();
  EXPECT_EQ(generate(laptop).code, 0); // certificates of the old CA
  write_file(certs() + "/alpha.key", "no key");
  node->child().signal(SIGHUP);
  ASSERT_TRUE(node->child().wait_for_err("what was read before stays in use"))
      << node->child().err();
  EXPECT_EQ(generate(laptop).code, 0);
}

TEST_F(NodeStart, TopologyCheckLooksAtTheFilesOfNodesThatAreHere) {
  make_certificates();
  ASSERT_EQ(run(larql({"certs", "issue", "beta", "--dir", certs()})).code, 0);
  const auto file = scratch_ / "cluster.toml";
  const auto check = [&](const std::string& certificate, const std::string& key,
                         const std::string& model = "tiny.vindex") {
    const auto own = certificate.empty()
                         ? std::string{}
                         : fmt::format("certificate = \"certs/{}.pem\"\nkey = \"certs/{}.key\"\n",
                                       certificate, key);
    write_file(file, fmt::format(R"(model = "{}"
[[node]]
name = "alpha"
address = "127.0.0.1:9470"
{}[security]
ca = "certs/ca.pem"
certificate = "certs/me.pem"
key = "certs/me.key"
)",
                                 model, own));
    return run(larql({"topology", "check", file.string()}));
  };
  EXPECT_EQ(check("alpha", "alpha").code, 0);
  const auto swapped = check("alpha", "me");
  EXPECT_NE(swapped.code, 0);
  EXPECT_NE(swapped.err.find("is not the key of"), std::string::npos) << swapped.err;
  EXPECT_NE(check("me", "me").err.find("expected one of a node"), std::string::npos);
  EXPECT_NE(check("beta", "beta").err.find("expected that of alpha"), std::string::npos);
  EXPECT_NE(check("beta", "elsewhere").err.find("expected that of the node alpha"),
            std::string::npos); // the certificate alone is here
  EXPECT_NE(check("nope", "alpha").err.find("nope.pem"), std::string::npos);
  EXPECT_NE(check("", "").err.find("has no certificate and key"), std::string::npos);
  EXPECT_EQ(check("elsewhere", "elsewhere").code, 0); // on its own machine
  const auto gguf = check("alpha", "alpha", "tiny.gguf");
  EXPECT_EQ(gguf.code, 0) << gguf.err;
  EXPECT_EQ(check("alpha", "alpha", "certs").code, 1); // neither a model nor elsewhere
  EXPECT_EQ(check("alpha", "alpha", "elsewhere.vindex").code, 0);
}

TEST_F(NodeStart, CertsListSaysUntilWhenCertificatesAreValid) {
  make_certificates();
  ASSERT_EQ(run(larql({"certs", "issue", "beta", "--days", "10", "--dir", certs()})).code, 0);
  const auto list = run(larql({"certs", "list", "--dir", certs()}));
  EXPECT_EQ(list.code, 0) << list.err;
  for (const auto* part : {"alpha", "authority", "me", "laptop", "9 days, renew it", "729 days"})
    EXPECT_NE(list.out.find(part), std::string::npos) << part << '\n' << list.out;
  EXPECT_EQ(std::count(list.out.begin(), list.out.end(), '\n'), 5) << list.out; // with the head
}

} // namespace
} // namespace larql::test
