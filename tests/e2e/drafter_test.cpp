// The drafter beside a model from outside: extract puts it into a vindex, every command that reads
// vindexes knows it, and answers with it are those without.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_drafter.hpp"

namespace larql::test {
namespace {

class DrafterCommand : public model_test {
protected:
  static tiny_gguf model() {
    auto m = tiny_gguf{};
    m.vocab = 300;
    return m;
  }
  DrafterCommand() : model_test(model()) {}

  [[nodiscard]] tiny_drafter drafter() const {
    auto o = drafter_options{};
    o.matrices = quant::encoding::bf16;
    o.confidence = 10; // else it would not be sure enough of anything
    return tiny_drafter{*vindex::read_index(vindex()), o};
  }
  [[nodiscard]] fs::path drafter_gguf() const { return scratch_ / "mtp.gguf"; }
  void SetUp() override {
    model_test::SetUp();
    drafter().gguf().write(drafter_gguf());
  }
  [[nodiscard]] finished extract(const fs::path& from, const fs::path& to,
                                 const words& options = {}) const {
    auto command = larql({"extract", from.string(), "-o", to.string()});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  [[nodiscard]] static finished answer(const fs::path& dir, const words& options) {
    auto command = larql({"run", dir.string(), "abc abc abc", "--raw", "--token-ids",
                          "--ignore-eos", "-n", "50", "--seed", "5"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
};

TEST_F(DrafterCommand, AnswersWithItAreThoseWithoutAndAutoTakesIt) {
  const auto added = extract(drafter_gguf(), vindex());
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_EQ(added.out, vindex().string() + "\n");
  for (const auto* temperature : {"0", "1"}) {
    const auto how = [&](const char* speculate, const char* draft) {
      return answer(vindex(),
                    {"--speculate", speculate, "--draft", draft, "--temperature", temperature});
    };
    const auto plain = how("off", "auto");
    ASSERT_EQ(plain.code, 0) << plain.err;
    for (const auto* speculate : {"auto", "3", "31"})
      for (const auto* draft : {"auto", "mtp", "suffix,mtp"}) {
        const auto got = how(speculate, draft);
        EXPECT_EQ(got.out, plain.out) << speculate << ' ' << draft << ": " << got.err;
      }
  }
  // A text in which nothing is repeated: it alone has something to say.
  const auto told = run(larql({"run", vindex().string(), "--raw", "-n", "8", "--ignore-eos",
                               "--temperature", "1", "--speculate", "4", "abcdefghijklmnop"}));
  EXPECT_NE(told.err.find("drafts were right"), std::string::npos) << told.err;
}

TEST_F(DrafterCommand, OneCommandMakesTheModelWithItWhateverTheContainer) {
  const auto both = scratch_ / "both.vindex";
  drafter().write_hf(scratch_ / "mtp");
  ASSERT_EQ(
      extract(gguf(), both, {"--drafter", (scratch_ / "mtp").string(), "--quant", "lossless"}).code,
      0);
  ASSERT_EQ(extract(drafter_gguf(), vindex()).code, 0);
  auto left = read_tree(both), right = read_tree(vindex());
  for (const auto* name : {"drafter.json", "checksums.json", "index.json"}) {
    left.erase(name); // they name the source
    right.erase(name);
  }
  EXPECT_EQ(left, right);
  const auto verified = run(larql({"verify", "--deep", both.string()}));
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const auto shown = run(larql({"inspect", both.string()}));
  EXPECT_NE(shown.out.find("drafter_weights.bin"), std::string::npos) << shown.out;
  const auto json = parse_json_text(run(larql({"inspect", both.string(), "--json"})).out);
  EXPECT_TRUE(std::any_of(json["parts"].begin(), json["parts"].end(), [](const auto& p) {
    return p["part"] == "drafter" && p["encodings"].contains("BF16");
  }));
}

TEST_F(DrafterCommand, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  const auto before = read_tree(vindex());
  auto other = vindex::model_config{*vindex::read_index(vindex())};
  other.vocab = 64;
  tiny_drafter{other}.gguf().write(scratch_ / "other.gguf");
  const auto refused = extract(scratch_ / "other.gguf", vindex());
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("another model"), std::string::npos) << refused.err;
  const auto made =
      extract(gguf(), scratch_ / "x", {"--drafter", (scratch_ / "other.gguf").string()});
  EXPECT_EQ(made.code, 1);
  EXPECT_NE(made.err.find("another model"), std::string::npos) << made.err;
  EXPECT_FALSE(fs::exists(scratch_ / "x"));
  EXPECT_FALSE(fs::exists(scratch_ / "x.partial"));
  const auto nowhere = extract(drafter_gguf(), scratch_ / "nothing");
  EXPECT_NE(nowhere.code, 0);
  EXPECT_NE(nowhere.err.find("nothing"), std::string::npos) << nowhere.err;
  const auto twice = extract(drafter_gguf(), vindex(), {"--drafter", drafter_gguf().string()});
  EXPECT_EQ(twice.code, 2);
  EXPECT_EQ(read_tree(vindex()), before);
  const auto none = answer(vindex(), {"--draft", "mtp"});
  EXPECT_EQ(none.code, 2);
  EXPECT_NE(none.err.find("has no drafter"), std::string::npos) << none.err;
  const auto run_drafter = run(larql({"run", drafter_gguf().string(), "hi"}));
  EXPECT_NE(run_drafter.err.find("is a drafter"), std::string::npos) << run_drafter.err;
}

TEST_F(DrafterCommand, ADamagedOneIsNoReasonNotToAnswer) {
  ASSERT_EQ(extract(drafter_gguf(), vindex()).code, 0);
  set_file_size(vindex() / "drafter_weights.bin", 100);
  const auto plain = answer(vindex(), {"--speculate", "off"});
  const auto got = answer(vindex(), {"--speculate", "4"});
  EXPECT_EQ(got.code, 0);
  EXPECT_EQ(got.out, plain.out);
  EXPECT_NE(got.err.find("without the model's drafter"), std::string::npos) << got.err;
  EXPECT_EQ(answer(vindex(), {"--draft", "mtp"}).code, 1);
  EXPECT_EQ(run(larql({"verify", vindex().string()})).code, 1);
}

TEST_F(DrafterCommand, WithNodesALaptopsSliceGivesTheTokensOfPlainDecoding) {
  ASSERT_EQ(extract(drafter_gguf(), vindex()).code, 0);
  const auto laptop = scratch_ / "laptop";
  ASSERT_EQ(
      run(larql({"slice", vindex().string(), "-o", laptop.string(), "--preset", "laptop"})).code,
      0);
  const auto ranges = words{"0-3", "4-7"};
  const auto nodes = start_nodes(ranges);
  const auto plain = answer(vindex(), {"--speculate", "off", "--temperature", "1"});
  for (const auto* how : {"auto", "3"}) {
    const auto got = answer(laptop, {"--speculate", how, "--draft", "mtp", "--temperature", "1",
                                     "--moe-shards", shard_map(nodes, ranges)});
    EXPECT_EQ(got.out, plain.out) << how << got.err;
  }
}

} // namespace
} // namespace larql::test
