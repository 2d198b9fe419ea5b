// Mirrors cli/node/metrics.hpp: the text that Prometheus reads.

#include "cli/node/metrics.hpp"

#include "tests/support/prometheus_text.hpp"

namespace larql::cli {
namespace {

using namespace std::chrono_literals;
using test::prometheus_text;

TEST(NodeMetrics, ANodeThatLoadsHasStateAndBuildOnly) {
  auto from = metrics_source{};
  from.version = "1.2.3";
  const auto m = prometheus_text{metrics_text(from)};
  EXPECT_EQ(m["larql_ready"], 0);
  EXPECT_EQ(m[R"(larql_node_state{state="loading"})"], 1);
  EXPECT_EQ(m[R"(larql_node_state{state="serving"})"], 0);
  EXPECT_EQ(m.types().count("larql_calls_total"), 0u);
}

TEST(NodeMetrics, EveryCounterIsShown) {
  auto c = actors::node_counters{{2, 3}};
  c.served = 7;
  c.failed = 2;
  c.refused = 1;
  c.rows = 50;
  c.experts = 11;
  c.expert_rows = 400;
  c.bytes_in = 1234567890123;
  c.bytes_out = 99;
  c.connected = 4;
  c.tls_failures = 3;
  c.handshake_failures = 6;
  c.waiting = 5;
  c.sessions = 2;
  c.sessions_opened = 13;
  c.session_tokens = 700;
  c.relayed_calls = 21;
  c.reached_nodes = 2;
  c.forwarded_calls = 31;
  c.forwarded_rows = 32;
  c.forward_failures = 13;
  c.forward_times.add(3ms);
  const auto mailboxes = std::make_shared<actors::mailbox_gauge>();
  mailboxes->add(12);
  c.mailboxes = mailboxes;
  auto s = schema::node_status{};
  s.restarts = 8;
  s.owned_bytes = 6'200'000'000;
  s.uptime_ms = 1500;
  s.load_percent = 50;
  auto from = metrics_source{"alpha", "1.2.3", "m", true, &c, &s};
  from.certificates = {{"a.pem", "alpha", "node", {}, std::chrono::system_clock::from_time_t(9)}};
  const auto text = metrics_text(from);
  const auto m = prometheus_text{text};
  EXPECT_EQ(
      m[R"(larql_certificate_expiry_timestamp_seconds{file="a.pem",name="alpha",role="node"})"], 9);
  EXPECT_EQ(m["larql_sessions"], 2);
  EXPECT_EQ(m["larql_sessions_total"], 13);
  EXPECT_EQ(m["larql_session_tokens_total"], 700);
  EXPECT_EQ(m["larql_buffered_bytes"], 0);
  EXPECT_EQ(m["larql_buffer_limit_bytes"], 256e6);
  EXPECT_EQ(m["larql_calls_total"], 7);
  EXPECT_EQ(m["larql_calls_failed_total"], 2);
  EXPECT_EQ(m["larql_calls_refused_total"], 1);
  EXPECT_EQ(m["larql_rows_total"], 50);
  EXPECT_EQ(m["larql_experts_total"], 11);
  EXPECT_EQ(m["larql_expert_rows_total"], 400);
  EXPECT_EQ(m["larql_received_bytes_total"], 1234567890123);
  EXPECT_EQ(m["larql_sent_bytes_total"], 99);
  EXPECT_EQ(m["larql_connections_total"], 4);
  EXPECT_EQ(m["larql_tls_failures_total"], 3);
  EXPECT_EQ(m["larql_handshake_failures_total"], 6);
  EXPECT_EQ(m["larql_calls_waiting"], 5);
  EXPECT_EQ(m["larql_relayed_calls_total"], 21);
  EXPECT_EQ(m["larql_reached_nodes"], 2);
  EXPECT_EQ(m["larql_forwarded_calls_total"], 31);
  EXPECT_EQ(m["larql_forwarded_rows_total"], 32);
  EXPECT_EQ(m["larql_forward_failures_total"], 13);
  EXPECT_EQ(m[R"(larql_forward_seconds_bucket{le="0.005"})"], 1);
  EXPECT_EQ(m[R"(larql_forward_seconds_bucket{le="0.002"})"], 0);
  EXPECT_EQ(m["larql_messages_waiting"], 12);
  EXPECT_EQ(m["larql_shard_restarts_total"], 8);
  EXPECT_EQ(m["larql_owned_bytes"], 6'200'000'000);
  EXPECT_EQ(m["larql_uptime_seconds"], 1.5);
  EXPECT_EQ(m["larql_load_ratio"], 0.5);
  EXPECT_EQ(m[R"(larql_build_info{version="1.2.3",node="alpha",model="m"})"], 1) << text;
}

TEST(NodeMetrics, TimesStandInTheBucketsOfTheirLayer) {
  auto c = actors::node_counters{{2, 3}};
  c.times_of(3)->answered.add(700us);
  c.times_of(3)->answered.add(1s);
  c.times_of(3)->answered.add(60s);
  EXPECT_EQ(c.times_of(1), nullptr);
  EXPECT_EQ(c.times_of(4), nullptr);
  const auto m = prometheus_text{metrics_text({"a", "1", "m", true, &c, nullptr})};
  EXPECT_EQ(m[R"(larql_call_seconds_bucket{layer="3",le="0.0005"})"], 0);
  EXPECT_EQ(m[R"(larql_call_seconds_bucket{layer="3",le="0.001"})"], 1);
  EXPECT_EQ(m[R"(larql_call_seconds_bucket{layer="3",le="1"})"], 2) << "a bound belongs to it";
  EXPECT_EQ(m[R"(larql_call_seconds_bucket{layer="3",le="10"})"], 2);
  EXPECT_EQ(m[R"(larql_call_seconds_bucket{layer="3",le="+Inf"})"], 3);
  EXPECT_NEAR(m[R"(larql_call_seconds_sum{layer="3"})"], 61.0007, 1e-9);
  EXPECT_EQ(m[R"(larql_call_seconds_count{layer="2"})"], 0);
  EXPECT_EQ(m[R"(larql_compute_seconds_count{layer="3"})"], 0);
}

TEST(NodeMetrics, NamesFromOutsideAreEscapedAndCleaned) {
  auto from = metrics_source{};
  from.node = "a\"b\\c\n\u009b\u202ed"; // quotes by Prometheus' rules, controls become blanks
  const auto m = prometheus_text{metrics_text(from)};
  EXPECT_EQ(m[R"(larql_build_info{version="",node="a\"b\\c   d",model=""})"], 1);
}

} // namespace
} // namespace larql::cli
