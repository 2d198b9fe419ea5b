// Mirrors cli/model_path.hpp: hf:// in the place of a directory, for the laptop and for nodes.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"

namespace larql::test {
namespace {

class HubPath : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    hub_.commit_directory("ann/tiny", vindex());
  }
  /// Each machine has a cache of its own.
  [[nodiscard]] child_process::variables machine(const std::string& name) const {
    auto out = hub_.environment();
    out["LARQL_CACHE"] = (scratch_ / name).string();
    return out;
  }

  hub_server hub_;
};

TEST_F(HubPath, LaptopAndNodesFetchWhatTheyNeedAndGiveTheBitsOfTheWhole) {
  const auto expected = logits();
  auto nodes = std::vector<node_ptr>{};
  for (const auto* range : {"0-3", "4-7"})
    nodes.push_back(std::make_unique<node_process>("hf://ann/tiny", words{"--experts", range},
                                                   machine(std::string{"node"} + range)));
  const auto out = scratch_ / "remote.logits";
  const auto ran = run(larql({"logits", "hf://ann/tiny", "--ids", prompt_ids, "-o", out.string(),
                              "--moe-shards", shard_map(nodes, {"0-3", "4-7"})}),
                       machine("laptop"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(difference(read_file(out), expected), "");
  EXPECT_FALSE(fs::exists(scratch_ / "laptop/hub/ann/tiny@main/layers"));
  EXPECT_FALSE(fs::exists(scratch_ / "node0-3/hub/ann/tiny@main/attn_weights_q4k.bin"));
}

TEST_F(HubPath, WhatIsCompleteNeedsNoNetwork) {
  const auto command = larql({"run", "hf://ann/tiny", "abc", "-n", "3"});
  const auto first = run(command, machine("laptop"));
  ASSERT_EQ(first.code, 0) << first.err;
  hub_.commit("ann/tiny", {{"tokenizer.json", "moved on"}});
  hub_.forget_calls();
  const auto second = run(command, machine("laptop"));
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(hub_.hub().calls().size(), 0u);
}

TEST_F(HubPath, TokenizeFetchesNoWeights) {
  const auto done = run(larql({"tokenize", "hf://ann/tiny", "abc"}), machine("laptop"));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(hub_.hub().count("norms.bin"), 0u);
  EXPECT_EQ(done.out, run(larql({"tokenize", vindex().string(), "abc"})).out);
}

TEST_F(HubPath, TwoNodesOfAMachineFillOneCacheInTurn) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{3}});
  auto children = std::vector<std::unique_ptr<child_process>>{};
  for (const auto* range : {"0-3", "4-7"})
    children.push_back(std::make_unique<child_process>(
        larql_node({"hf://ann/tiny", "--experts", range, "--port", "0", "-t", "1"}),
        machine("shared")));
  for (const auto& c : children)
    EXPECT_TRUE(c->wait_for_out("ready")) << c->err();
}

TEST_F(HubPath, ANodeFillsItsVolumeFromTheRepositoryThatTheEnvironmentNames) {
  const auto volume = scratch_ / "volume";
  auto settings = machine("none");
  settings["VINDEX_PATH"] = volume.string();
  settings["HF_REPO"] = "ann/tiny";
  settings["EXPERTS"] = "2-5";
  auto child = child_process{larql_node({"--port", "0"}), settings};
  ASSERT_TRUE(child.wait_for_out("ready")) << child.err();
  EXPECT_NE(child.out().find("experts 2-5"), std::string::npos) << child.out();
  EXPECT_TRUE(fs::exists(volume / "layers/layer_00.weights"));
}

TEST_F(HubPath, ASignalEndsANodeThatStillFetches) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{50}});
  auto child = child_process{larql_node({"hf://ann/tiny", "--port", "0"}), machine("node")};
  ASSERT_TRUE(hub_.storage().wait_for_sent(1000));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), (exit_status{0, 0})) << child.err();
}

} // namespace
} // namespace larql::test
