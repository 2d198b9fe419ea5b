// Mirrors cli/serve/server/serve_metrics.hpp.

#include "cli/serve/server/serve_metrics.hpp"

#include "tests/support/prometheus_text.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

using test::prometheus_text;

TEST(ServeMetrics, NumbersHaveTheirNames) {
  auto status = actors::session_status{};
  status.running = 3;
  status.waiting = 2;
  status.kv_bytes = 1000;
  status.read_tokens = 500;
  status.read_seconds = 2;
  status.cached_tokens = 40;
  status.answer_tokens = 60;
  status.cache_lookups = 10;
  status.cache_hits = 8;
  status.to_first_token.add(0.2);
  status.between_tokens.add(0.03);
  status.pass_rows.add(12);
  status.speculation.add(generate::draft_tree::chain(std::vector<std::uint32_t>{5, 6, 7}),
                         std::vector<std::uint32_t>{0, 1});
  auto from = serve_numbers{"0.1.0", "gemma4", true, &status, {}, 4, {}};
  from.http.connections = 5;
  from.http.replies = {0, 0, 7, 0, 2, 1};
  from.nodes = {{"alpha", "10.0.0.1:9470", 0.001, 0.004}};
  from.predispatch = 2;
  const auto text = metrics_text(from);
  const auto m = prometheus_text{text};
  EXPECT_EQ(m["larql_predispatch_iterations"], 2);
  EXPECT_EQ(m["larql_ready"], 1) << text;
  EXPECT_EQ(m["larql_answers_running"], 3);
  EXPECT_EQ(m["larql_answers_waiting"], 2);
  EXPECT_EQ(m["larql_kv_bytes"], 1000);
  EXPECT_EQ(m["larql_prefix_cache_hits_total"], 8);
  EXPECT_EQ(m["larql_time_to_first_token_seconds_count"], 1);
  EXPECT_EQ(m[R"(larql_time_to_first_token_seconds_bucket{le="0.25"})"], 1);
  EXPECT_EQ(m[R"(larql_time_to_first_token_seconds_bucket{le="0.1"})"], 0);
  EXPECT_EQ(m["larql_inter_token_seconds_count"], 1);
  EXPECT_EQ(m[R"(larql_pass_rows_bucket{le="16"})"], 1);
  EXPECT_EQ(m[R"(larql_drafts_tried_total{position="2"})"], 1);
  EXPECT_EQ(m["larql_http_connections"], 5);
  EXPECT_EQ(m["larql_http_requests"], 4);
  EXPECT_EQ(m[R"(larql_http_replies_total{class="2xx"})"], 7);
  EXPECT_EQ(m[R"(larql_http_replies_total{class="4xx"})"], 2);
  EXPECT_EQ(
      m[R"(larql_node_round_trip_seconds{node="alpha",address="10.0.0.1:9470",quantile="0.99"})"],
      0.004);
  // Names that dashboards for llama.cpp have.
  EXPECT_EQ(m["llamacpp:prompt_tokens_total"], 500);
  EXPECT_EQ(m["llamacpp:prompt_tokens_seconds"], 250);
  EXPECT_EQ(m["llamacpp:tokens_predicted_total"], 60);
  EXPECT_EQ(m["llamacpp:spec_decode_num_draft_tokens_total"], 3);
  EXPECT_EQ(m["llamacpp:spec_decode_num_accepted_tokens_total"], 2);
  EXPECT_EQ(m[R"(llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="1"})"], 1);
  EXPECT_EQ(m[R"(llamacpp:spec_decode_num_accepted_tokens_per_pos_total{position="2"})"], 0);
  EXPECT_EQ(m["llamacpp:requests_processing"], 3);
  EXPECT_EQ(m["llamacpp:requests_deferred"], 2);
}

TEST(ServeMetrics, WhileTheModelIsLoadedThereIsLittleToTell) {
  const auto m = prometheus_text{metrics_text({"0.1.0", "", false, nullptr, {}, 0, {}})};
  EXPECT_EQ(m["larql_ready"], 0);
  EXPECT_EQ(m["larql_http_requests"], 0);
}

} // namespace
} // namespace larql::serve
