// Mirrors cli/laptop/slice.cpp, cli/laptop/verify.cpp and the nodes' side of slices: what one
// machine needs is cut, checked, and runs with the bits of the whole.

#include "tests/e2e/programs.hpp"

#include <sys/stat.h>

namespace larql::test {
namespace {

class SliceCommand : public model_test {
protected:
  /// A model whose experts are larger than blocks of the file system.
  static tiny_gguf model() {
    auto m = tiny_gguf{};
    m.expert_width = 192;
    m.expert_encodings = {quant::encoding::q8_0, quant::encoding::f32};
    return m;
  }
  SliceCommand() : model_test(model()) {}

  [[nodiscard]] fs::path at(const std::string& name) const { return scratch_ / name; }

  finished cut(const std::string& name, words options) {
    auto command = larql({"slice", vindex().string(), "-o", at(name).string()});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  void expect_cut(const std::string& name, const words& options) {
    const auto done = cut(name, options);
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, at(name).string() + "\n");
  }

  finished verify(const fs::path& dir, bool deep = true) {
    auto command = larql({"verify", dir.string()});
    if (deep)
      command.emplace_back("--deep");
    return run(command);
  }

  /// The raw logits of the prompt from another vindex.
  [[nodiscard]] std::string logits_from(const fs::path& dir, const words& options) {
    const auto file = scratch_ / "slice-logits";
    auto command =
        larql({"logits", dir.string(), "--ids", prompt_ids, "-o", file.string(), "--force"});
    command.insert(command.end(), options.begin(), options.end());
    const auto done = run(command);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? read_file(file) : std::string{};
  }

  [[nodiscard]] node_ptr node_of(const std::string& name, const words& options = {}) {
    return std::make_unique<node_process>(at(name), options);
  }
};

TEST_F(SliceCommand, ALaptopSliceAndTwoExpertSlicesGiveTheBitsOfTheWhole) {
  expect_cut("laptop", {"--preset", "moe-client"});
  expect_cut("low", {"--preset", "moe-experts", "--experts", "0-3"});
  expect_cut("high", {"--preset", "expert-server", "--experts", "4-7"});
  for (const auto* name : {"laptop", "low", "high"}) {
    const auto good = verify(at(name));
    EXPECT_EQ(good.code, 0) << good.out << good.err;
  }
  // A node owns what its slice holds without being told.
  const auto low = node_of("low"), high = node_of("high");
  EXPECT_NE(low->child().out().find("experts 0-3, layers 0-5"), std::string::npos)
      << low->child().out();
  const auto shards = low->owns("0-3") + "," + high->owns("4-7");
  EXPECT_EQ(difference(logits_from(at("laptop"), {"--moe-shards", shards}), logits()), "");
}

TEST_F(SliceCommand, ANodeWithOtherWeightsOfTheModelIsRefusedOnBothSides) {
  expect_cut("laptop", {"--preset", "moe-client"});
  // The same norms and routers, but experts that were rounded.
  ASSERT_EQ(
      run(larql({"extract", gguf().string(), "-o", at("rounded").string(), "--quant", "q4k"})).code,
      0);
  const auto node = node_of("rounded");
  const auto done = run(larql({"logits", at("laptop").string(), "--ids", prompt_ids, "-o",
                               at("out").string(), "--moe-shards", node->owns("0-7")}));
  EXPECT_EQ(done.code, 1);
  for (const auto* part : {node->address().c_str(), "other weights of the experts", "digest"})
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  EXPECT_TRUE(node->child().wait_for_err("other weights of the experts")) << node->child().err();
}

TEST_F(SliceCommand, WeightsThatNobodyHashedAreComparedByTheirModelOnly) {
  expect_cut("laptop", {"--preset", "moe-client"});
  expect_cut("experts", {"--preset", "moe-experts"});
  fs::remove(at("experts") / "checksums.json");
  const auto node = node_of("experts");
  EXPECT_EQ(difference(logits_from(at("laptop"), {"--moe-shards", node->owns("0-7")}), logits()),
            "");
}

TEST_F(SliceCommand, ANodeIsRefusedTheExpertsItsSliceDoesNotHold) {
  expect_cut("low", {"--preset", "moe-experts", "--experts", "0-3"});
  const auto done = run(larql_node({at("low").string(), "--experts", "2-5", "--port", "0"}));
  EXPECT_EQ(done.code, 1);
  for (const auto* part : {"experts 2-5 of layers 0-5", "holds experts 0-3", "larql slice"})
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
}

TEST_F(SliceCommand, RunningASliceThatCannotRunSaysWhatItLacks) {
  expect_cut("low", {"--preset", "moe-experts", "--experts", "0-3"});
  expect_cut("laptop", {"--preset", "moe-client"});
  const auto experts = run(larql({"run", at("low").string(), "abc"}));
  EXPECT_EQ(experts.code, 1);
  EXPECT_NE(experts.err.find("has no embed,attn,ffn"), std::string::npos) << experts.err;
  const auto laptop = run(larql({"run", at("laptop").string(), "abc"}));
  EXPECT_EQ(laptop.code, 1);
  EXPECT_NE(laptop.err.find("--moe-shards"), std::string::npos) << laptop.err;
}

TEST_F(SliceCommand, VerifyNamesTheDamagedExpertAndExitsWithOne) {
  expect_cut("low", {"--preset", "moe-experts", "--experts", "0-3"});
  const auto file = at("low") / "layers/layer_03.weights";
  const auto byte = std::string{read_file(file)[1000] == 'x' ? 'y' : 'x'};
  overwrite(file, 1000, byte); // the first expert's: the table ends before
  EXPECT_EQ(verify(at("low"), false).code, 0);
  const auto bad = verify(at("low"));
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.out.find("layer_03.weights: expert 0: SHA-256 is "), std::string::npos) << bad.out;
  EXPECT_NE(bad.out.find("failed: 1 wrong"), std::string::npos) << bad.out;
}

TEST_F(SliceCommand, ADryRunPrintsTheBytesOfEachPartAndWritesNothing) {
  const auto done = cut("dry", {"--preset", "moe-experts", "--experts", "0-3", "--dry-run"});
  EXPECT_EQ(done.code, 0) << done.err;
  for (const auto* part : {"norms.bin", "expert_layers", "holes of", "total", "experts 0-3"})
    EXPECT_NE(done.out.find(part), std::string::npos) << done.out;
  EXPECT_FALSE(fs::exists(at("dry")));
  EXPECT_FALSE(fs::exists(at("dry.partial")));
}

TEST_F(SliceCommand, AKilledSliceGoesOnWithTheSameBytes) {
  expect_cut("whole", {"--preset", "all"});
  const auto want = read_tree(at("whole"));
  auto kills = 0;
  for (auto moment = 1u; moment < 60 && !fs::exists(at("killed")); moment += moment / 2 + 2) {
    auto child = child_process{larql(
        {"slice", vindex().string(), "-o", at("killed").string(), "--preset", "all", "-t", "1"})};
    ASSERT_TRUE(eventually([&] {
      return files_in(at("killed.partial")) >= moment || fs::exists(at("killed"));
    })) << child.err();
    kills += fs::exists(at("killed")) ? 0 : 1;
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
  }
  if (!fs::exists(at("killed")))
    expect_cut("killed", {"--preset", "all"});
  // Killed after the directory had its name, the last step is left to whoever comes next.
  (void) cut("killed", {"--preset", "all"});
  EXPECT_GE(kills, 2);
  // Killed after the directory had its name, the last step is left to whoever comes next.
  EXPECT_EQ(cut("killed", {"--preset", "all"}).code, 2); // it exists already
  EXPECT_EQ(read_tree(at("killed")), want);
  EXPECT_FALSE(fs::exists(at("killed.partial")));
}

TEST_F(SliceCommand, ADiskThatIsTooSmallIsNoticedBeforeAndNothingStays) {
  write_file(vindex() / "down_features.bin", std::string_view{});
  set_file_size(vindex() / "down_features.bin", std::uint64_t{8} << 40); // all of it a hole
  const auto done = cut("large", {"--parts", "ffn"});
  EXPECT_EQ(done.code, 1);
  for (const auto* part :
       {"large.partial: needs 8.80 TB for its files and 16.8 MB to spare", "free"})
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  EXPECT_FALSE(fs::exists(at("large")));
  EXPECT_FALSE(fs::exists(at("large.partial")));
}

TEST_F(SliceCommand, WrongUsageIsExitCodeTwo) {
  for (const auto& options :
       {words{}, words{"--preset", "nonsense"}, words{"--parts", "nonsense"},
        words{"--preset", "all", "--parts", "norms"}, words{"--preset", "all", "--experts", "x"},
        words{"--preset", "all", "--experts", "0-8"},
        words{"--preset", "client", "--experts", "0-3"}}) {
    const auto done = cut("never", options);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
  }
  EXPECT_FALSE(fs::exists(at("never")));
}

} // namespace
} // namespace larql::test
