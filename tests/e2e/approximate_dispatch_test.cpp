// Mirrors cli/laptop/dispatch_flags.hpp from outside: --moe-dispatch batch over nodes and without,
// what is said about it, and what it cannot go together with.

#include "tests/e2e/serve_process.hpp"
#include "tests/support/json_text.hpp"

namespace larql::test {
namespace {

constexpr auto layers = "6"; // of the demo model

class ApproximateDispatch : public demo_model_test {
protected:
  void SetUp() override {
    for (const auto* experts : {"0-7", "8-15"})
      nodes_.push_back(std::make_unique<node_process>(vindex(), words{"--experts", experts}));
    map_ = nodes_[0]->owns("0-7") + "," + nodes_[1]->owns("8-15");
  }

  static words joined(words a, const words& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  static finished answer(const words& options) {
    return run(joined(
        larql({"run", vindex(), "The capital of France is", "--raw", "-n", "40", "--ignore-eos"}),
        options));
  }
  [[nodiscard]] words batch(const std::string& iterations, const words& more = {}) const {
    return joined(
        {"--moe-shards", map_, "--moe-dispatch", "batch", "--moe-predispatch-iters", iterations},
        more);
  }

  std::vector<node_ptr> nodes_;
  std::string map_;
};

TEST_F(ApproximateDispatch, AsOftenAsThereAreLayersIsTheTextOfThisMachine) {
  const auto exact = answer({"-q"});
  const auto got = answer(batch(layers));
  EXPECT_EQ(got.code, 0) << got.err;
  EXPECT_EQ(got.out, exact.out);
  EXPECT_NE(got.err.find("6 round trips per token, one for each layer"), std::string::npos)
      << got.err;
  EXPECT_EQ(got.err.find("are approximate"), std::string::npos) << got.err;
}

TEST_F(ApproximateDispatch, OnceIsSaidToBeApproximateAndTakesARoundTripPerToken) {
  const auto got = answer({"--moe-shards", map_, "--moe-dispatch", "batch"});
  EXPECT_EQ(got.code, 0) << got.err;
  for (const auto* part : {"answers are approximate; 1 round trip per token instead of 6",
                           "experts of all layers at once (--moe-dispatch batch): 1 round trip per"
                           " pass",
                           "experts: 40 round trips in "}) // a prompt and 39 tokens
    EXPECT_NE(got.err.find(part), std::string::npos) << part << "\n" << got.err;
}

TEST_F(ApproximateDispatch, NodesAreNeededForSpeedOnly) {
  const auto over_nodes = answer(batch("2", {"-q"}));
  const auto here = answer({"-q", "--moe-dispatch", "batch", "--moe-predispatch-iters", "2"});
  EXPECT_EQ(here.code, 0) << here.err;
  EXPECT_EQ(here.out, over_nodes.out);
  EXPECT_NE(here.err.find("are approximate"), std::string::npos) << "with -q as well: " << here.err;
}

TEST_F(ApproximateDispatch, TheModeStandsInJson) {
  const auto streamed = parse_json_text(answer({"-q", "--json"}).out);
  EXPECT_EQ(streamed["moe_dispatch"], "streaming");
  EXPECT_FALSE(streamed.contains("moe_predispatch_iters"));
  const auto asked = parse_json_text(answer(batch("3", {"-q", "--json"})).out);
  EXPECT_EQ(asked["moe_dispatch"], "batch");
  EXPECT_EQ(asked["moe_predispatch_iters"], 3);
  EXPECT_EQ(asked["timings"]["round_trips"], 3 * 40);
  const auto measured = run(joined(larql({"bench", vindex(), "--prompt-tokens", "8", "--gen-tokens",
                                          "4", "--repeat", "1", "--no-probe", "--json"}),
                                   batch("2")));
  ASSERT_EQ(measured.code, 0) << measured.err;
  const auto bench = parse_json_text(measured.out);
  EXPECT_EQ(bench["moe_dispatch"], "batch");
  EXPECT_EQ(bench["moe_predispatch_iters"], 2);
  EXPECT_EQ(bench["decode"][0]["wire"]["layers"], 2 * 4);
}

TEST_F(ApproximateDispatch, AServerNamesItAndCachesNothing) {
  const auto server = serve_process{vindex(), batch(layers)};
  const auto body = json{{"prompt", std::string(400, 'a')}, {"max_tokens", 4}, {"temperature", 0}};
  for (auto i = 0; i < 2; ++i)
    EXPECT_EQ(server.post("/v1/completions", body).status, 200);
  EXPECT_EQ(server.metric("larql_predispatch_iterations"), 6);
  EXPECT_EQ(server.metric("larql_cached_sequences"), 0);
  EXPECT_EQ(server.metric("larql_prefix_cache_hits_total"), 0);
  EXPECT_EQ(server.metric("llamacpp:spec_decode_num_drafts_total"), 0);
}

TEST_F(ApproximateDispatch, LogitsOfAllIterationsAreThoseOfStreaming) {
  const auto logits = [&](const words& options) {
    const auto done = run(joined(
        larql({"logits", vindex(), "--ids", "2 270 11 301 44 9 263 77", "-o", "-", "--chunk", "3"}),
        options));
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  };
  const auto exact = logits({});
  EXPECT_EQ(difference(logits(batch(layers)), exact), "");
  EXPECT_NE(difference(logits(batch("1")), exact), "");
}

TEST_F(ApproximateDispatch, ALostNodeIsWaitedFor) {
  nodes_[1] = std::make_unique<node_process>(
      vindex(), words{"--experts", "8-15", "--port", std::to_string(free_port())});
  map_ = nodes_[0]->owns("0-7") + "," + nodes_[1]->owns("8-15");
  const auto port = nodes_[1]->port();
  auto child = child_process{joined(larql({"run", vindex(), "The capital of France is", "--raw",
                                           "-n", "40", "--ignore-eos", "-q", "--token-ids"}),
                                    batch(layers))};
  ASSERT_TRUE(child.wait_for_out("\n"));
  nodes_[1] = nullptr;
  nodes_[1] = std::make_unique<node_process>(
      vindex(), words{"--experts", "8-15", "--port", std::to_string(port)});
  EXPECT_EQ(child.wait(), (exit_status{0, 0})) << child.err();
  EXPECT_EQ(child.out(), answer({"-q", "--token-ids"}).out);
}

TEST_F(ApproximateDispatch, WhatCannotGoTogetherIsAUsageError) {
  for (const auto& [options, part] : {
           std::pair{words{"--moe-predispatch-iters", "2"}, "needs --moe-dispatch batch"},
           std::pair{batch("2", {"--session-at", "127.0.0.1:9"}), "--session-at here"},
           std::pair{batch("2", {"--speculate", "4"}), "--speculate 4: drafts cannot be verified"},
           std::pair{batch("0"), "--moe-predispatch-iters"},
           std::pair{words{"--moe-dispatch", "twice"}, "--moe-dispatch"},
       }) {
    const auto done = answer(options);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << part << "\n" << done.err;
  }
  const auto bench =
      run(larql({"bench", vindex(), "--moe-dispatch", "batch", "--synthetic-acceptance", "0.5"}));
  EXPECT_EQ(bench.code, 2) << bench.err;
}

} // namespace
} // namespace larql::test
