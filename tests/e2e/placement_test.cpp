// Placement changes speed, never tokens (README.md, docs/numerics.md): where experts are computed,
// by how many threads, with which instructions and in which portions never changes a bit.

#include "runtime/kernels/kernel_set.hpp"
#include "tests/e2e/programs.hpp"

namespace larql::test {
namespace {

class Placement : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    local = logits({"-t", "1"}, {{"LARQL_SIMD", "scalar"}});
    ASSERT_EQ(local.size(), 17u * 512 * 4);
  }

  /// What the logits differ in from those of one thread and scalar code without nodes.
  std::string difference_of(const words& options, const child_process::variables& settings = {}) {
    return difference(logits(options, settings), local);
  }

  void expect_same_with_shards(const words& ranges) {
    const auto nodes = start_nodes(ranges);
    EXPECT_EQ(difference_of({"--moe-shards", shard_map(nodes, ranges)}), "");
  }

  static std::vector<std::string> levels() {
    auto out = std::vector<std::string>{};
    for (const auto level : kernels::simd_levels())
      out.emplace_back(kernels::name_of(level));
    return out;
  }

  std::string local;
};

class PlacementOfMixedExperts : public Placement {
protected:
  // Gate and up want a row rounded differently in one layer, alike in another.
  PlacementOfMixedExperts() {
    model_.expert_encodings = {quant::encoding::q4_k, quant::encoding::iq3_s,
                               quant::encoding::mxfp4};
    model_.up_encodings = {quant::encoding::q5_0, quant::encoding::q2_k, quant::encoding::f32};
  }
};

TEST_F(PlacementOfMixedExperts, NodesGiveTheBitsOfLocalExperts) {
  expect_same_with_shards({"0-3", "4-7"});
}

TEST_F(Placement, OneNodeGivesTheBitsOfLocalExperts) {
  expect_same_with_shards({"0-7"});
}

TEST_F(Placement, TwoNodesGiveTheBitsOfLocalExperts) {
  expect_same_with_shards({"0-3", "4-7"});
}

TEST_F(Placement, FourNodesWithUnevenRangesGiveTheBitsOfLocalExperts) {
  expect_same_with_shards({"0", "1-4", "5-6", "7"});
}

TEST_F(Placement, RowsThatTravelAsF32AndAreRoundedOnTheNodeGiveTheBitsOfLocalExperts) {
  const auto a = start_node({"--experts", "0-3"}), b = start_node({"--experts", "4-7"});
  const auto sent_with = [&](const std::string& rows) {
    const auto file = scratch_ / (rows + ".toml");
    write_file(file,
               fmt::format("model = \"{}\"\n[[node]]\nname = \"{}\"\naddress = \"{}\"\n"
                           "[[node]]\nname = \"{}\"\naddress = \"{}\"\n[wire]\nrows = \"{}\"\n",
                           vindex().string(), a->address(), a->address(), b->address(),
                           b->address(), rows));
    EXPECT_EQ(difference_of({"--topology", file.string()}), "") << rows;
    const auto done =
        run(larql({"run", vindex().string(), "abc", "-n", "20", "--topology", file.string()}));
    EXPECT_EQ(done.code, 0) << done.err;
    const auto at = done.err.find("bytes sent: ");
    return at == std::string::npos ? 0.0 : std::stod(done.err.substr(at + 12));
  };
  // Proof that the key does something: rows of eight bits are shorter.
  const auto eight = sent_with("auto"), plain = sent_with("f32");
  EXPECT_GT(plain, 1.5 * eight);
}

TEST_F(Placement, DraftsVerifiedWithNodesGiveTheTokensOfPlainDecodingHere) {
  const auto ids_of = [&](words options) {
    auto command = words{"run", vindex().string(), "abc abc abc abc ab", "--raw", "--token-ids"};
    options.insert(options.end(), {"--ignore-eos", "-n", "60", "--seed", "5"});
    command.insert(command.end(), options.begin(), options.end());
    const auto done = run(larql(command));
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  };
  const auto ranges = words{"0-3", "4-7"};
  const auto nodes = start_nodes(ranges);
  for (const auto* temperature : {"0", "1"}) {
    const auto plain = ids_of({"--speculate", "off", "--temperature", temperature});
    for (const auto* how : {"auto", "3", "31"})
      EXPECT_EQ(ids_of({"--speculate", how, "--temperature", temperature, "--moe-shards",
                        shard_map(nodes, ranges)}),
                plain)
          << how;
  }
}

TEST_F(Placement, NodesInAnyOrderOfTheMapGiveTheBitsOfLocalExperts) {
  expect_same_with_shards({"6-7", "0-1", "2-5"});
}

TEST_F(Placement, NodesThatOwnMoreThanTheMapUsesGiveTheBitsOfLocalExperts) {
  const auto a = start_node(), b = start_node({"--experts", "2-7"});
  EXPECT_EQ(difference_of({"--moe-shards", a->owns("0-4") + "," + b->owns("5-7")}), "");
}

TEST_F(Placement, NodesThatSplitTheLayersGiveTheBitsOfLocalExperts) {
  const auto low = start_node({"--layers", "0-1"}), high = start_node({"--layers", "2-5"});
  EXPECT_EQ(difference_of({"--moe-shards", low->owns("0-7") + "," + high->owns("0-7")}), "");
}

TEST_F(Placement, NodesThatSplitLayersAndExpertsGiveTheBitsOfLocalExperts) {
  const auto a = start_node({"--layers", "0-3", "--experts", "0-4"});
  const auto b = start_node({"--layers", "0-3", "--experts", "5-7"});
  const auto c = start_node({"--layers", "4-5"});
  EXPECT_EQ(
      difference_of({"--moe-shards", a->owns("0-4") + "," + b->owns("5-7") + "," + c->owns("0-7")}),
      "");
}

TEST_F(Placement, ThreadsChangeNoBit) {
  for (const auto* laptop : {"1", "2", "3"})
    EXPECT_EQ(difference_of({"-t", laptop}), "") << laptop;
  for (const auto* threads : {"1", "3"}) {
    const auto node = start_node({"-t", threads});
    EXPECT_EQ(difference_of({"-t", "2", "--moe-shards", node->owns("0-7")}), "") << threads;
  }
}

TEST_F(Placement, InstructionSetsChangeNoBitOnEitherSide) {
  for (const auto& on_node : levels()) {
    const auto node = start_node({}, {{"LARQL_SIMD", on_node}});
    for (const auto& here : levels())
      EXPECT_EQ(difference_of({"--moe-shards", node->owns("0-7")}, {{"LARQL_SIMD", here}}), "")
          << here << " on the laptop, " << on_node << " on the node";
  }
  for (const auto& here : levels())
    EXPECT_EQ(difference_of({}, {{"LARQL_SIMD", here}}), "") << here;
}

TEST_F(Placement, PortionsOfThePromptChangeNoBit) {
  const auto nodes = start_nodes({"0-2", "3-7"});
  const auto map = shard_map(nodes, {"0-2", "3-7"});
  for (const auto* chunk : {"1", "7", "17", "4096"}) {
    EXPECT_EQ(difference_of({"--chunk", chunk}), "") << chunk;
    EXPECT_EQ(difference_of({"--chunk", chunk, "--moe-shards", map}), "") << chunk;
  }
}

TEST_F(Placement, GeneratedTextIsTheSameEverywhere) {
  const auto sampled = words{"-n", "40", "-q", "--temperature", "1", "--seed", "7"};
  const auto here = generate(sampled);
  ASSERT_EQ(here.code, 0) << here.err;
  ASSERT_GT(here.out.size(), 40u);
  const auto nodes = start_nodes({"0-5", "6-7"});
  auto there = sampled;
  there.insert(there.end(), {"--moe-shards", shard_map(nodes, {"0-5", "6-7"})});
  const auto remote = generate(there);
  EXPECT_EQ(remote.code, 0) << remote.err;
  EXPECT_EQ(remote.out, here.out);
}

TEST_F(Placement, ASeedFixesTheTextAndAnotherSeedChangesIt) {
  const auto text = [&](const char* seed) {
    const auto done = generate({"-n", "40", "-q", "--temperature", "1", "--seed", seed});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  };
  const auto first = text("1");
  EXPECT_EQ(text("1"), first);
  EXPECT_NE(text("2"), first);
}

TEST_F(Placement, TheReportCountsWhatCrossedTheNetwork) {
  const auto node = start_node();
  const auto done = generate({"-n", "5", "--moe-shards", node->owns("0-7")});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("5 tokens"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("per-layer round trip: p50"), std::string::npos) << done.err;
  // A prompt of one chunk and four more tokens, six layers each.
  EXPECT_NE(done.err.find("experts: 30 layers in 30 calls"), std::string::npos) << done.err;
}

} // namespace
} // namespace larql::test
