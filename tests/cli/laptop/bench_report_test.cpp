// Mirrors cli/laptop/bench_report.hpp.

#include "cli/laptop/bench_report.hpp"
#include "tests/support/json_text.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;

bench_results some_results() {
  auto r = bench_results{};
  r.vindex = "x.vindex";
  r.placement = "nodes";
  r.simd = "avx2";
  r.threads = 2;
  r.dense_bytes = 1'000'000'000;
  r.read_bytes_per_second = 40e9;
  r.prefill.push_back({32, {0.4, 0.2, 1.0}, {}});
  auto d = bench_decode{};
  d.seconds = {0.05, 0.05, 0.05, 0.25};
  d.phases.attention = 40ms;
  d.wire_before = {10, 20, 1000, 2000};
  d.wire_after = {12, 24, 13000, 50000};
  d.round_trip_us = {100, 200};
  d.round_trip_compute_us = {40, 80};
  r.decode.push_back(d);
  return r;
}

TEST(BenchReport, JsonHasMediansPhasesBandwidthAndTheWire) {
  const auto j = test::parse_json_text(json_of(some_results()));
  EXPECT_EQ(j["placement"], "nodes");
  EXPECT_NEAR(j["prefill"][0]["median_tokens_per_second"], 80, 1e-4); // 32 in 0.4 s
  const auto& d = j["decode"][0];
  EXPECT_DOUBLE_EQ(d["tokens_per_second"], 10); // 4 in 0.4 s
  EXPECT_NEAR(d["median_tokens_per_second"], 20, 1e-5);
  EXPECT_NEAR(d["token_ms"]["p99"], 250, 1e-3);
  EXPECT_DOUBLE_EQ(d["phases_ms"]["attention"], 10); // of four passes
  EXPECT_NEAR(d["weight_bytes_per_second"], 20e9, 1e4);
  EXPECT_NEAR(d["share_of_read_bandwidth"], 0.5, 1e-6);
  EXPECT_EQ(d["wire"]["layers"], 2);
  EXPECT_EQ(d["wire"]["bytes_sent"], 12000);
  EXPECT_EQ(d["wire"]["bytes_received"], 48000);
  EXPECT_DOUBLE_EQ(d["wire"]["round_trip_without_kernels_us"]["p99"], 120);
}

TEST(BenchReport, TextNamesBytesPerCallAndTheShareOfBandwidth) {
  const auto text = text_of(some_results());
  for (const auto* part : {"experts on nodes", "80.00 tokens/s", "50 % of what memory gives",
                           "3.0 kB sent, 12.0 kB received", "attention 10.00"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
}

TEST(BenchReport, SyntheticAcceptanceHasTokensPerPassAndPerSecond) {
  auto r = some_results();
  auto s = bench_speculation{};
  s.acceptance = 0.85;
  s.passes = 200;
  s.tokens = 800;
  s.drafted = 1600;
  s.accepted = 600;
  s.seconds = 400;
  r.speculation.push_back(s);
  const auto j = test::parse_json_text(json_of(r))["speculation"][0];
  EXPECT_DOUBLE_EQ(j["tokens_per_second"], 2);
  EXPECT_DOUBLE_EQ(j["tokens_per_pass"], 4);
  EXPECT_DOUBLE_EQ(j["pass_ms"], 2000);
  const auto text = text_of(r);
  for (const auto* part : {"0.85 right", "2.00 tokens/s", "4.00 tokens per pass", "600 of 1600"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
}

TEST(BenchReport, SeveralSessionsHaveNoBytesPerToken) {
  auto r = some_results();
  r.decode[0].sessions = 8;
  const auto d = test::parse_json_text(json_of(r))["decode"][0];
  EXPECT_NEAR(d["median_tokens_per_second"], 160, 1e-4);
  EXPECT_FALSE(d.contains("weight_bytes_per_second")); // depends on the routing
}

bench_results results_over_a_link() {
  auto r = some_results();
  r.link = bench_link_facts{"home", 0.045, 5e6, 12.5e6, 0, 0, 0, true, 2};
  r.prefill[0].wire_before = {10, 20, 1000, 2000};
  r.prefill[0].wire_after = {12, 24, 1000, 2'502'000}; // 2.5 MB: 0.2 s
  r.prefill[0].phases.attention = 100ms;
  return r;
}

TEST(BenchReport, EveryResultOverALinkStandsBesideItsBound) {
  const auto j = test::parse_json_text(json_of(results_over_a_link()));
  EXPECT_EQ(j["link"]["name"], "home");
  EXPECT_DOUBLE_EQ(j["link"]["round_trip_ms"], 45);
  EXPECT_EQ(j["link"]["nodes"], 2);
  // 0.2 s of bytes and two round trips, for 32 tokens; 0.4 s were measured.
  EXPECT_NEAR(j["prefill"][0]["bound"]["tokens_per_second"], 32 / 0.29, 1e-6);
  EXPECT_NEAR(j["prefill"][0]["bound"]["share"], 0.29 / 0.4, 1e-6);
  // Four passes took two layers, so a pass half of one: 22.5 ms, 3 kB up, 12 kB down, 10 ms of
  // attention here and 30 us at the nodes.
  const auto seconds = 0.0225 + 0.0006 + 0.00096 + 0.010 + 0.00003;
  EXPECT_NEAR(j["decode"][0]["bound"]["tokens_per_second"], 1 / seconds, 1e-3);
  const auto text = text_of(results_over_a_link());
  for (const auto* part : {"link home: round trip 45.00 ms, 100 Mbit/s down, 40 Mbit/s up",
                           "TCP begins slowly", "bound of this link", "0.72 of it"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  EXPECT_FALSE(test::parse_json_text(json_of(some_results())).contains("link"));
}

TEST(BenchReport, JitterRaisesTheBoundsTimeByTheMeanOfTheLatestNode) {
  auto r = results_over_a_link();
  r.link->jitter = 0.010;
  const auto j = test::parse_json_text(json_of(r));
  EXPECT_NEAR(j["prefill"][0]["bound"]["tokens_per_second"],
              32 / (0.29 + 2 * 0.010 * (1 + 7.0 / 30)), 1e-3);
  EXPECT_NE(text_of(r).find("up to 10.0 ms of jitter"), std::string::npos);
}

} // namespace
} // namespace larql::cli
