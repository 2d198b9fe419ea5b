// Mirrors runtime/quant/sum_format.hpp from outside: nodes that round what they send ([wire] sums),
// what is said about it, and what it cannot go together with.

#include "tests/e2e/serve_process.hpp"
#include "tests/support/json_text.hpp"

namespace larql::test {
namespace {

class RoundedSums : public demo_model_test {
protected:
  void SetUp() override {
    for (const auto* experts : {"0-7", "8-15"}) {
      const auto name = fmt::format("n{}", nodes_.size());
      nodes_.push_back(
          std::make_unique<node_process>(vindex(), words{"--experts", experts, "--name", name}));
    }
  }

  /// A cluster file with this of [wire] sums; empty: without it.
  [[nodiscard]] std::string cluster(const std::string& sums, const std::string& more = {}) const {
    const auto file = *scratch_ / ("cluster-" + sums + ".toml");
    auto text = fmt::format("model = \"{}\"\n", vindex());
    for (const auto i : {0u, 1u})
      text += fmt::format("[[node]]\nname = \"n{}\"\naddress = \"127.0.0.1:{}\"\nexperts = "
                          "\"{}\"\n",
                          i, nodes_[i]->port(), i == 0 ? "0-7" : "8-15");
    if (!sums.empty())
      text += fmt::format("[wire]\nsums = \"{}\"\n", sums);
    write_file(file, text + more);
    return file.string();
  }
  [[nodiscard]] static finished answer(const words& options) {
    auto all =
        larql({"run", vindex(), "The capital of France is", "--raw", "-n", "40", "--ignore-eos"});
    all.insert(all.end(), options.begin(), options.end());
    return run(all);
  }
  [[nodiscard]] json numbers_of(const std::string& sums) const {
    const auto got = answer({"--topology", cluster(sums), "-q", "--json", "--speculate", "off"});
    EXPECT_EQ(got.code, 0) << got.err;
    return parse_json_text(got.out);
  }

  std::vector<node_ptr> nodes_;
};

TEST_F(RoundedSums, TakeFewerBytesAndAreNamed) {
  const auto exact = numbers_of("exact"), half = numbers_of("f16"), eight = numbers_of("q8");
  EXPECT_EQ(exact["wire_sums"], "exact");
  EXPECT_EQ(half["wire_sums"], "f16");
  const auto received = [](const json& j) { return j["timings"]["received_bytes"].get<double>(); };
  EXPECT_LT(received(half), 0.7 * received(exact));
  EXPECT_LT(received(eight), 0.75 * received(half));
  EXPECT_EQ(eight["tokens"], 40);
}

TEST_F(RoundedSums, AreSaidToBeApproximateEvenIfNothingElseIs) {
  const auto quiet = answer({"--topology", cluster("bf16"), "-q"});
  EXPECT_EQ(quiet.code, 0) << quiet.err;
  EXPECT_NE(quiet.err.find("[wire] sums = \"bf16\": answers are approximate"), std::string::npos)
      << quiet.err;
  const auto told = answer({"--topology", cluster("bf16")});
  EXPECT_NE(told.err.find("nodes rounded their sums to bf16"), std::string::npos) << told.err;
  const auto exact = answer({"--topology", cluster("exact")});
  EXPECT_EQ(exact.err.find("approximate"), std::string::npos) << exact.err;
  EXPECT_EQ(exact.out, answer({}).out);
}

TEST_F(RoundedSums, GiveOtherLogitsThatAreNearTheExactOnes) {
  const auto logits = [&](const words& options) {
    auto all = larql({"logits", vindex(), "--ids", "2 270 11 301 44 9 263 77", "-o", "-"});
    all.insert(all.end(), options.begin(), options.end());
    const auto done = run(all);
    EXPECT_EQ(done.code, 0) << done.err;
    auto out = std::vector<float>(done.out.size() / sizeof(float));
    std::memcpy(out.data(), done.out.data(), out.size() * sizeof(float));
    return out;
  };
  const auto exact = logits({});
  ASSERT_FALSE(exact.empty());
  EXPECT_EQ(logits({"--topology", cluster("")}), exact);
  // Of a range of 60.
  constexpr auto most = 4.0f;
  for (const auto* sums : {"f16", "bf16", "q8"}) {
    const auto got = logits({"--topology", cluster(sums)});
    ASSERT_EQ(got.size(), exact.size());
    auto furthest = 0.0f;
    for (auto i = std::size_t{0}; i < got.size(); ++i)
      furthest = std::max(furthest, std::abs(got[i] - exact[i]));
    EXPECT_GT(furthest, 0.0f) << sums;
    EXPECT_LT(furthest, most) << sums;
  }
}

TEST_F(RoundedSums, AServerNamesThemAndStoresNoPrompt) {
  const auto body = json{{"prompt", std::string(400, 'a')}, {"max_tokens", 4}, {"temperature", 0}};
  for (const auto* sums : {"exact", "q8"}) {
    SCOPED_TRACE(sums);
    const auto is_exact = std::string_view{sums} == "exact";
    const auto store = *scratch_ / fmt::format("prompts-{}", sums);
    auto server =
        serve_process{vindex(), {"--topology", cluster(sums), "--prompt-cache", store.string()}};
    for (auto i = 0; i < 2; ++i)
      EXPECT_EQ(server.post("/v1/completions", body).status, 200);
    EXPECT_EQ(server.metric("larql_rounded_sums"), is_exact ? 0 : 1);
    EXPECT_EQ(server.metric("larql_prefix_cache_hits_total"), 1) << "in memory it is found again";
    server.child().signal(SIGTERM);
    EXPECT_TRUE(server.child().wait());
    const auto stored =
        std::any_of(fs::recursive_directory_iterator{store}, fs::recursive_directory_iterator{},
                    [](const fs::directory_entry& e) { return e.path().extension() == ".prompt"; });
    EXPECT_EQ(stored, is_exact);
  }
}

TEST_F(RoundedSums, WhatCannotGoTogetherIsAUsageError) {
  const auto placed = answer({"--topology", cluster("q8", "[session]\nat = \"n0\"\n")});
  EXPECT_EQ(placed.code, 2) << placed.err;
  EXPECT_NE(placed.err.find("[wire] sums = \"q8\""), std::string::npos) << placed.err;
  const auto unknown = answer({"--topology", cluster("q4")});
  EXPECT_EQ(unknown.code, 2) << unknown.err;
  EXPECT_NE(unknown.err.find("sums: is \"q4\", expected \"exact\""), std::string::npos)
      << unknown.err;
}

} // namespace
} // namespace larql::test
