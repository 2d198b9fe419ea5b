// Mirrors cli/serve/page/cluster_json.hpp. The JSON of a sample is in
// tests/page/cluster_sample.json, which the tests of the page read as well: so both sides mean the
// same.

#include "cli/serve/page/cluster_json.hpp"

#include "runtime/base/mapped_file.hpp"
#include "tests/cli/serve/json_check.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/paths.hpp"

namespace larql::serve {
namespace {

using namespace std::chrono_literals;

model_facts sample_model() {
  auto out = model_facts{};
  out.name = "gemma4";
  out.version = "0.1.0";
  out.file = "gemma4.vindex";
  out.encoding = "Q4_K";
  out.parameters = 25'200'000'000;
  out.size_bytes = 15'600'000'000;
  out.layers = 2;
  out.experts = 4;
  out.experts_per_token = 2;
  out.hidden = 2816;
  out.context = 8192;
  out.top_k = 64;
  out.top_p = 0.95;
  return out;
}

picture_counters sample_counters() {
  auto c = picture_counters{};
  c.running = 1, c.reading = 2, c.waiting = 3, c.requests = 4;
  c.kv_bytes = 5, c.kv_limit_bytes = 6, c.cached_sequences = 7, c.cached_bytes = 8;
  c.prompt_tokens = 9, c.cached_tokens = 10, c.read_tokens = 11, c.answer_tokens = 12;
  c.read_seconds = 0.5, c.decoded_tokens = 10, c.decoded_seconds = 2.5;
  c.cache_lookups = 13, c.cache_hits = 14, c.cache_evictions = 15, c.disk_hits = 16;
  c.preempted = 17, c.passes = 18, c.rows = 19;
  c.pass_seconds = 2, c.attention_seconds = 0.25, c.router_seconds = 0.125, c.dense_seconds = 0.5;
  c.experts_seconds = 0.75, c.combine_seconds = 0.0625, c.head_seconds = 0.25;
  c.calls = 20, c.repeated = 21, c.hedged = 22, c.sent_bytes = 23, c.received_bytes = 24;
  return c;
}

cluster_picture sample() {
  auto out = cluster_picture{};
  out.started = cluster_event::time{100s};
  out.now = cluster_event::time{160s};
  out.model = sample_model();
  out.nodes = {{"a", "a:9470", "serving", "", {{0, 1}, {0, 3}}},
               {"b", "b:9470", "lost", "connection closed", {{0, 1}, {2, 3}}}};
  out.nodes[0].numbers = node_numbers{1.5ms, 4ms, 1000, 900, 2000, 30, 1, 2, 45};
  auto lost = cluster_event{};
  lost.number = 3;
  lost.at = cluster_event::time{158500ms};
  lost.what = cluster_event::kind::lost;
  lost.node = "b";
  lost.why = "connection closed";
  lost.owned = {{0, 1}, {2, 3}};
  lost.took_over = {{"a", {{0, 1}, {2, 3}}}};
  out.events = {lost};
  out.heat = {5, {0, 1, 2, 3, 255, 0, 0, 7}};
  out.counters = sample_counters();
  return out;
}

TEST(ClusterJson, IsAsThePageReadsIt) {
  const auto expected =
      read_text_file(test::source_dir() / "tests/page/cluster_sample.json", 1 << 20);
  ASSERT_TRUE(test::succeeds(expected));
  EXPECT_TRUE(test::is_json(cluster_json(sample()), *expected));
}

TEST(ClusterJson, SaysWhatIsComputedHereAndHowDraftsFare) {
  auto picture = sample();
  picture.nodes.clear();
  picture.events.clear();
  picture.own = experts::ownership{{0, 1}, {0, 3}};
  picture.speculation = speculation_counters{10, 7};
  const auto json = cluster_json(picture);
  EXPECT_TRUE(test::is_json(json["own"], R"({"layers":[0,1],"experts":[0,3]})"));
  EXPECT_TRUE(test::is_json(json["speculation"], R"({"drafted":10,"accepted":7})"));
  EXPECT_TRUE(test::is_json(json["nodes"], "[]"));
}

TEST(ClusterJson, HeatIsBase64OfAnyLength) {
  auto picture = sample();
  for (const auto& [bytes, text] :
       {std::pair{std::vector<std::uint8_t>{}, ""}, std::pair{std::vector<std::uint8_t>{0}, "AA=="},
        std::pair{std::vector<std::uint8_t>{255, 0}, "/wA="},
        std::pair{std::vector<std::uint8_t>{1, 2, 3}, "AQID"},
        std::pair{std::vector<std::uint8_t>{1, 2, 3, 250}, "AQID+g=="}}) {
    picture.heat.counts = bytes;
    EXPECT_EQ(cluster_json(picture)["heat"]["counts"], text);
  }
}

// Names come from nodes, which are believed in nothing.
TEST(ClusterJson, TextThatIsNoUtf8IsSentAllTheSame) {
  auto picture = sample();
  picture.nodes[0].name = "a\xff\n\x01";
  EXPECT_FALSE(to_text(cluster_json(picture)).empty());
}

} // namespace
} // namespace larql::serve
