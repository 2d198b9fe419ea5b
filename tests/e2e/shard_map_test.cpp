// Mirrors runtime/topology/shard_map.hpp and actors/laptop/cluster.hpp from outside: a map that
// cannot work is refused before a token is made, with the entry named; exit code 2 where the map is
// wrong, 1 where the world is.

#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

class ShardMap : public model_test {
protected:
  void expect_refusal(const std::string& map, int code, const std::string& part) const {
    const auto done = generate({"-n", "1", "-q", "--failover-timeout", "0", "--moe-shards", map});
    EXPECT_EQ(done.code, code) << map << ": " << done.err;
    EXPECT_EQ(done.out, "") << map;
    EXPECT_NE(done.err.find(part), std::string::npos) << map << ": " << done.err;
  }
};

TEST_F(ShardMap, MalformedEntriesAreUsageErrors) {
  for (const auto& [map, part] : {
           std::pair{"0-7", "\"0-7\": expected FIRST-LAST=URL"},
           std::pair{"0-7=", "expected caf://"},
           std::pair{"=caf://a:1", "shard map range is \"\""},
           std::pair{"7-0=caf://a:1", "shard map range is \"7-0\""},
           std::pair{"0-x=caf://a:1", "\"0-x\""},
           std::pair{"0-7=ftp://a:1", "\"ftp://a:1\": expected caf://"},
           std::pair{"0-7=a:1", "\"a:1\": expected caf://"},
           std::pair{"0-7=caf://a", "\"caf://a\": port is missing"},
           std::pair{"0-7=caf://a:0", "port is \"0\", expected 1 to 65535"},
           std::pair{"0-7=caf://a:65536", "port is \"65536\""},
           std::pair{"0-7=caf://a:1x", "port is \"1x\""},
           std::pair{"0-7=caf://a:-1", "port is \"-1\""},
           std::pair{"0-7=caf://:1", "host is missing"},
           std::pair{"0-7=caf://[::1:1", "] is missing"},
           std::pair{"0-7=caf://a:1,", "shard map entry \"\""},
           std::pair{"0-3=caf://a:1,,4-7=caf://b:1", "shard map entry \"\""},
       })
    expect_refusal(map, 2, part);
}

TEST_F(ShardMap, GapsAreUsageErrorsThatNameTheExperts) {
  expect_refusal("0-2=caf://127.0.0.1:1,5-7=caf://127.0.0.1:2", 2, "no shard has experts 3-4");
  expect_refusal("1-7=caf://127.0.0.1:1", 2, "no shard has expert 0");
  expect_refusal("0-1=caf://127.0.0.1:1,3=caf://127.0.0.1:1,6-7=caf://127.0.0.1:2", 2,
                 "no shard has experts 2, 4-5");
}

TEST_F(ShardMap, ExpertsThatTheModelDoesNotHaveAreUsageErrors) {
  expect_refusal("0-8=caf://127.0.0.1:1", 2, "experts 0-8: the model has experts 0-7");
  expect_refusal("0-7=caf://127.0.0.1:1,8-4294967295=caf://127.0.0.1:2", 2,
                 "experts 8-4294967295: the model has experts 0-7");
}

TEST_F(ShardMap, OverlapsAreUsageErrorsThatNameTheExpertAndBothNodes) {
  const auto a = start_node({"--name", "alpha"}), b = start_node({"--name", "beta"});
  const auto map = a->owns("0-4") + "," + b->owns("4-7");
  expect_refusal(map, 2, "layer 0: expert 4 is claimed by both node alpha");
  expect_refusal(map, 2, "node beta");
}

TEST_F(ShardMap, LayersThatNobodyHasAreUsageErrorsThatNameThem) {
  const auto low = start_node({"--layers", "0-1"}), high = start_node({"--layers", "3-5"});
  expect_refusal(low->owns("0-7") + "," + high->owns("0-7"), 2,
                 "layer 2: no shard has experts 0-7");
}

TEST_F(ShardMap, NobodyWaitsForWhatNoNodeOfTheMapWillHave) {
  const auto low = start_node({"--layers", "0-1"}), high = start_node({"--layers", "3-5"});
  const auto map = low->owns("0-7") + "," + high->owns("0-7");
  const auto done = generate({"-n", "1", "-q", "--moe-shards", map});
  EXPECT_EQ(done.code, 2) << done.err; // and not "does not end": 35 s would be too long for run()
  EXPECT_NE(done.err.find("layer 2: no shard has experts 0-7"), std::string::npos) << done.err;
}

TEST_F(ShardMap, ANodeThatOwnsLessThanTheMapSaysIsAnError) {
  const auto node = start_node({"--experts", "0-5", "--name", "alpha"});
  expect_refusal(node->owns("0-7"), 1, "node alpha owns experts 0-5, the shard map says 0-7");
}

TEST_F(ShardMap, EncryptedAddressesNeedCertificatesOrASecret) {
  expect_refusal("0-7=tls://127.0.0.1:1", 2, "needs certificates or a cluster secret");
  expect_refusal("0-7=https://127.0.0.1", 2, "needs certificates or a cluster secret");
}

TEST_F(ShardMap, ANodeOfAnotherModelIsAnError) {
  auto other = tiny_gguf{};
  other.seed = 2;
  other.write(scratch_ / "other.gguf");
  const auto dir = scratch_ / "other.vindex";
  ASSERT_EQ(run(larql({"extract", (scratch_ / "other.gguf").string(), "-o", dir.string()})).code,
            0);
  const auto node = node_process{dir, {"--name", "alpha"}};
  expect_refusal(node.owns("0-7"), 1,
                 "node alpha serves another model: another model of the same shape");
}

// The model that the cluster file names is right if it is here, else the one that most nodes have.
TEST_F(ShardMap, StatusKnowsWhichModelIsRightAndCallsNobodyByItsAddress) {
  auto other = tiny_gguf{};
  other.seed = 2;
  other.write(scratch_ / "other.gguf");
  const auto dir = scratch_ / "other.vindex";
  ASSERT_EQ(run(larql({"extract", (scratch_ / "other.gguf").string(), "-o", dir.string()})).code,
            0);
  const auto wrong = node_process{dir, {"--name", "wrong"}}; // the first
  const auto alpha = start_node({"--name", "alpha"}), beta = start_node({"--name", "beta"});
  const auto nobody = fmt::format("127.0.0.1:{}", free_port());
  const auto entry = [](const std::string& name, const std::string& address) {
    return fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\n", name, address);
  };
  const auto file = (scratch_ / "c.toml").string();
  for (const auto& model : {vindex().string(), std::string{"elsewhere.vindex"}}) {
    write_file(file, fmt::format("model = \"{}\"\n", model) + entry("wrong", wrong.address()) +
                         entry("alpha", alpha->address()) + entry("beta", beta->address()));
    const auto seen = run(larql({"status", "--topology", file, "--pings", "1"}));
    EXPECT_EQ(seen.code, 0) << seen.out << seen.err;
    for (const auto* part : {"another model, not used: wrong: ", "0-7      0-5     alpha, beta\n"})
      EXPECT_NE(seen.out.find(part), std::string::npos) << part << '\n' << seen.out;
  }
  const auto low = start_node({"--name", "low", "--experts", "0-3"});
  const auto map = fmt::format("0-3=caf://{},4-7=caf://{}", low->address(), nobody);
  const auto seen = run(larql({"status", "--moe-shards", map, "--pings", "1"}));
  EXPECT_EQ(seen.code, 1);
  EXPECT_NE(seen.out.find("\n-     down"), std::string::npos) << seen.out;
}

TEST_F(ShardMap, ANodeOfAnotherShapeIsAnError) {
  auto other = tiny_gguf{};
  other.layers = 5;
  other.write(scratch_ / "other.gguf");
  const auto dir = scratch_ / "other.vindex";
  ASSERT_EQ(run(larql({"extract", (scratch_ / "other.gguf").string(), "-o", dir.string()})).code,
            0);
  const auto node = node_process{dir, {"--name", "alpha"}};
  expect_refusal(node.owns("0-7"), 1,
                 "layers 5 on the node (\"tiny\"), 6 on the laptop (\"tiny\")");
}

TEST_F(ShardMap, AddressesMayBeHttpUrlsAndNames) {
  const auto node = start_node();
  const auto port = std::to_string(node->port());
  for (const auto& url :
       {"http://127.0.0.1:" + port, "caf://localhost:" + port, "http://127.0.0.1:" + port + "/"}) {
    const auto done = generate({"-n", "1", "-q", "--moe-shards", "0-7=" + url});
    EXPECT_EQ(done.code, 0) << url << ": " << done.err;
  }
}

} // namespace
} // namespace larql::test
