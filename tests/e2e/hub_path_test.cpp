// Mirrors cli/support/model_path.hpp: hf:// in the place of a directory, for the laptop and for
// nodes.

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
  std::vector<std::unique_ptr<child_process>> nodes_;
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

TEST_F(HubPath, ASliceThatCannotRunIsNotDownloadedFirst) {
  const auto experts = scratch_ / "experts";
  ASSERT_EQ(
      run(larql({"slice", vindex().string(), "-o", experts.string(), "--preset", "expert-server"}))
          .code,
      0);
  hub_.commit_directory("ann/experts", experts);
  const auto done = run(larql({"run", "hf://ann/experts", "abc"}), machine("laptop"));
  EXPECT_EQ(done.code, 1);
  for (const auto* part : {"hf://ann/experts", "this slice has no", "attn"})
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  const auto layer = sha256_of(read_file(experts / "layers/layer_00.weights"));
  for (const auto& c : hub_.storage().calls())
    EXPECT_EQ(c.target.find(layer), std::string::npos) << c.target;
}

TEST_F(HubPath, TokenizeFetchesNoWeights) {
  const auto done = run(larql({"tokenize", "hf://ann/tiny", "abc"}), machine("laptop"));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(hub_.hub().count("norms.bin"), 0u);
  EXPECT_EQ(done.out, run(larql({"tokenize", vindex().string(), "abc"})).out);
}

TEST_F(HubPath, InspectShowsARepositoryForTheHeadsOfItsFiles) {
  auto whole = std::uint64_t{0};
  for (const auto& [name, content] : read_tree(vindex()))
    whole += content.size();
  const auto done = run(larql({"inspect", "hf://ann/tiny"}), machine("laptop"));
  ASSERT_EQ(done.code, 0) << done.err;
  for (const auto* part : {"repository  hf://ann/tiny@main (", "8 per layer", "6 of 6 layers"})
    EXPECT_NE(done.out.find(part), std::string::npos) << done.out;
  EXPECT_LT(hub_.sent_bytes(), whole / 10);
  const auto heads = run(larql({"verify", "hf://ann/tiny", "--deep"}), machine("laptop"));
  EXPECT_EQ(heads.code, 0) << heads.out;
  EXPECT_EQ(heads.out.find("not checked"), std::string::npos) << heads.out;
  // Of what the cache has, that is shown, and nothing asked for.
  const auto pulled = run(larql({"pull", "hf://ann/tiny", "--experts", "0-3"}), machine("laptop"));
  ASSERT_EQ(pulled.code, 0) << pulled.err;
  hub_.forget_calls();
  const auto again = run(larql({"inspect", "hf://ann/tiny"}), machine("laptop"));
  EXPECT_NE(again.out.find("experts 0-3 of layers 0-5"), std::string::npos) << again.out;
  EXPECT_TRUE(hub_.hub().calls().empty());
}

TEST_F(HubPath, VerifyChecksWhatTheCacheHolds) {
  const auto verify = larql({"verify", "hf://ann/tiny", "--deep"});
  const auto nothing = run(verify, machine("laptop"));
  EXPECT_EQ(nothing.code, 1);
  for (const auto* part : {"hf://ann/tiny: nothing of it is in the cache", "larql pull"})
    EXPECT_NE(nothing.err.find(part), std::string::npos) << nothing.err;
  ASSERT_EQ(run(larql({"pull", "hf://ann/tiny", "--experts", "0-3"}), machine("laptop")).code, 0);
  hub_.forget_calls();
  const auto good = run(verify, machine("laptop"));
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_TRUE(hub_.hub().calls().empty());
  overwrite(scratch_ / "laptop/hub/ann/tiny@main/norms.bin", 5, "?");
  EXPECT_EQ(run(verify, machine("laptop")).code, 1);
}

TEST_F(HubPath, CommandsThatNeedADirectorySayWhatToDoInstead) {
  const auto slice = run(larql({"slice", "hf://ann/tiny", "-o", "half", "--preset", "moe-experts",
                                "--experts", "0-3"}),
                         machine("laptop"));
  EXPECT_EQ(slice.code, 2);
  EXPECT_NE(slice.err.find("`larql pull hf://ann/tiny -o half --preset moe-experts --experts 0-3`"),
            std::string::npos)
      << slice.err;
  for (const auto& command : {words{"publish", "hf://ann/tiny", "--repo", "ann/other"},
                              words{"extract", "hf://ann/tiny", "-o", "x"}}) {
    const auto refused = run(larql(command), machine("laptop"));
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.err.find("hf://ann/tiny: expected a directory"), std::string::npos)
        << refused.err;
  }
  EXPECT_TRUE(hub_.hub().calls().empty());
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

TEST_F(HubPath, NodesThatOfferMemoryFetchTheExpertsTheyAreTold) {
  const auto undisturbed = run(larql({"run", vindex().string(), "abc", "-n", "10", "--raw", "-q"}));
  const auto laptop = fmt::format("127.0.0.1:{}", free_port());
  write_file(scratch_ / "c.toml", fmt::format("model = \"{}\"\n[discovery]\njoin = \"{}\"\n",
                                              vindex().string(), laptop));
  auto going = child_process{larql({"run", vindex().string(), "abc", "-n", "10", "--raw", "-q",
                                    "--topology", (scratch_ / "c.toml").string()})};
  // Bytes of five experts in all layers; the second node gets the other three.
  auto bytes = std::uintmax_t{0};
  for (const auto& file : fs::directory_iterator{vindex() / "layers"})
    bytes += fs::file_size(file);
  for (const auto& [name, range] : {std::pair{"alpha", "0-4"}, std::pair{"beta", "5-7"}}) {
    auto settings = machine("none");
    settings["VINDEX_PATH"] = (scratch_ / name).string();
    settings["HF_REPO"] = "ann/tiny";
    hub_.forget_calls();
    nodes_.push_back(std::make_unique<child_process>(
        larql_node({"--port", "0", "--name", name, "--join", laptop, "--available-ram",
                    std::to_string(bytes / 8 * 5)}),
        settings));
    auto& node = *nodes_.back();
    ASSERT_TRUE(node.wait_for_out("ready")) << node.err() << going.err();
    EXPECT_NE(node.out().find(fmt::format("experts {}, layers 0-5", range)), std::string::npos)
        << node.out();
    EXPECT_LT(hub_.sent_bytes(), bytes * 8 / 10); // no more than it was told
    const auto verified = run(larql({"verify", (scratch_ / name).string(), "--deep"}));
    EXPECT_EQ(verified.code, 0) << verified.out;
    const auto shown = run(larql({"inspect", (scratch_ / name).string()})).out;
    EXPECT_NE(shown.find(fmt::format("experts {} of layers 0-5", range)), std::string::npos)
        << shown;
  }
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  EXPECT_EQ(difference(going.out(), undisturbed.out), "");
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
