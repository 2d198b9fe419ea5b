// Mirrors cli/node/http.hpp: what is answered while a node starts, serves and ends. The node is a
// real one, its calls come over loopback.

#include "cli/node/http.hpp"

#include "tests/actors/node/live_node.hpp"
#include "tests/e2e/call_examples.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/prometheus_text.hpp"
#include "tests/support/raw_peer.hpp"

namespace larql::cli {
namespace {

using namespace std::chrono_literals;
using test::http_get;
using test::prometheus_text;

class NodeHttp : public testing::Test {
protected:
  void SetUp() override {
    auto made = node_http::start({"127.0.0.1", 0}, health);
    ASSERT_TRUE(test::succeeds(made));
    http = *std::move(made);
  }
  [[nodiscard]] test::http_response get(std::string_view path) const {
    return http_get(http->port(), path);
  }
  [[nodiscard]] static std::string readiness(const test::http_response& r) {
    return fmt::format("{} {}", r.status, r.body);
  }

  node_health health;
  std::unique_ptr<node_http> http;
};

TEST_F(NodeHttp, IsAliveFromTheBeginningAndReadyWhenCallsAreTaken) {
  EXPECT_EQ(readiness(get("/healthz")), "200 alive\n");
  EXPECT_EQ(readiness(get("/readyz")), "503 loading: starting\n");
  health.loading("warm-up, 1.00 GB of 2.00 GB read");
  EXPECT_EQ(readiness(get("/readyz")), "503 loading: warm-up, 1.00 GB of 2.00 GB read\n");
  EXPECT_EQ(prometheus_text{get("/metrics").body}["larql_ready"], 0);

  const auto model = test::tiny_vindex{test::all_in(quant::encoding::q8_0)};
  auto node = test::live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  health.attach(node.server());
  EXPECT_EQ(get("/readyz").status, 503) << "attached is not ready";
  health.serving();
  EXPECT_EQ(readiness(get("/readyz")), "200 ready\n");
  ASSERT_TRUE(node.server().drain(30s)); // as an operator may ask for, over the network
  EXPECT_EQ(readiness(get("/readyz")), "503 draining\n");
  health.draining();
  health.detach();
  EXPECT_EQ(readiness(get("/readyz")), "503 draining\n");
  EXPECT_EQ(readiness(get("/healthz")), "200 alive\n");
}

TEST_F(NodeHttp, OtherPathsAreNotFound) {
  for (const auto* path : {"/", "/metrics/", "/readyz/x", "/../etc/passwd"})
    EXPECT_EQ(get(path).status, 404) << path;
}

TEST_F(NodeHttp, TheMetricsCountACall) {
  const auto model = test::tiny_vindex{test::all_in(quant::encoding::q8_0)};
  auto node = test::live_node{model, {{1, 2}, {0, 7}}, "alpha"};
  health.attach(node.server());
  health.serving();

  auto peer = test::raw_peer{node.port()};
  const auto description = peer.greet(node.description().model);
  ASSERT_TRUE(description);
  auto example = test::call_example{*description, 3};
  ASSERT_TRUE(peer.send(example.call));
  ASSERT_TRUE(peer.read_payload());
  auto wrong = example.call;
  wrong.layer = 0; // not owned
  ASSERT_TRUE(peer.send(wrong));
  ASSERT_TRUE(peer.read_payload());

  const auto answer = get("/metrics");
  EXPECT_NE(answer.head.find("text/plain; version=0.0.4"), std::string::npos) << answer.head;
  const auto m = prometheus_text{answer.body};
  const auto layer = fmt::format("{{layer=\"{}\"}}", example.call.layer);
  EXPECT_EQ(m["larql_ready"], 1);
  EXPECT_EQ(m[R"(larql_node_state{state="serving"})"], 1);
  EXPECT_EQ(m["larql_calls_total"], 2) << answer.body;
  EXPECT_EQ(m["larql_calls_failed_total"], 1);
  EXPECT_EQ(m["larql_calls_waiting"], 0);
  EXPECT_EQ(m["larql_rows_total"], 3);
  EXPECT_GE(m["larql_expert_rows_total"], 3);
  EXPECT_GE(m["larql_experts_total"], 1);
  EXPECT_EQ(m["larql_connections"], 1);
  EXPECT_EQ(m["larql_connections_total"], 1);
  EXPECT_GT(m["larql_received_bytes_total"], 0);
  EXPECT_GT(m["larql_sent_bytes_total"], 0);
  EXPECT_EQ(m["larql_call_seconds_count" + layer], 1);
  EXPECT_EQ(m["larql_compute_seconds_count" + layer], 1);
  EXPECT_GT(m["larql_compute_seconds_sum" + layer], 0);
  EXPECT_GE(m["larql_call_seconds_sum" + layer], m["larql_compute_seconds_sum" + layer]);
  EXPECT_GT(m["larql_owned_bytes"], 0);
  EXPECT_GT(m["larql_process_resident_bytes"], 0);
  EXPECT_EQ(m["larql_handshake_failures_total"], 0);
  health.detach();
}

TEST_F(NodeHttp, TheMetricsCountRestartsAndFailedHandshakes) {
  const auto model = test::tiny_vindex{test::all_in(quant::encoding::q8_0)};
  auto node = test::live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  health.attach(node.server());
  const auto stranger = test::raw_peer{node.port()};
  ASSERT_TRUE(stranger.send(std::string_view{"GET / HTTP/1.1\r\n\r\n"}));
  EXPECT_TRUE(stranger.is_closed_by_peer());
  auto peer = test::raw_peer{node.port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  node.failing = true;
  ASSERT_TRUE(peer.send(test::call_example{*description, 1}.call));
  ASSERT_TRUE(peer.read_payload()); // the shard has ended, and the node knows or will know soon
  ASSERT_TRUE(test::eventually([&] { return node.server().status(30s)->restarts > 0; }));
  const auto m = prometheus_text{get("/metrics").body};
  EXPECT_EQ(m["larql_shard_restarts_total"], 1);
  EXPECT_EQ(m["larql_calls_failed_total"], 1);
  EXPECT_EQ(m["larql_handshake_failures_total"], 1);
  EXPECT_EQ(m["larql_tls_failures_total"], 0);
  health.detach();
}

} // namespace
} // namespace larql::cli
