// Mirrors cli/node/http.hpp in a real larql-node: ready when it says so, numbers after a run, and
// hostile visitors that its laptops do not notice.

#include "tests/e2e/programs.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/prometheus_text.hpp"

#include <deque>
#include <sys/resource.h>

namespace larql::test {
namespace {

class NodeHttpProcess : public model_test {
protected:
  /// The HTTP port of a child that has said it, once it has; 0 if it does not.
  static std::uint16_t http_port(const child_process& child) {
    const auto text = std::string{"/metrics on http://127.0.0.1:"};
    if (!child.wait_for_err(text) || !child.wait_for_err("\n"))
      return 0;
    const auto err = child.err();
    return static_cast<std::uint16_t>(std::stoi(err.substr(err.find(text) + text.size())));
  }
};

TEST_F(NodeHttpProcess, ANodeIsReadyWhenItSaysSo) {
  const auto node = start_node({"--http-port", "0", "--warmup"});
  const auto port = http_port(node->child());
  EXPECT_EQ(http_get(port, "/healthz").body, "alive\n");
  EXPECT_EQ(http_get(port, "/readyz").body, "ready\n");
  const auto err = node->child().err();
  const auto loading = err.find("state=loading"), warm = err.find("node: warm: ");
  ASSERT_TRUE(loading != std::string::npos && warm != std::string::npos) << err;
  EXPECT_LT(loading, warm) << err;
  EXPECT_NE(err.find("memory: owned="), std::string::npos) << err;
}

TEST_F(NodeHttpProcess, ANodeThatWaitsForItsCoordinatorIsAliveAndNotReady) {
  auto node = child_process{larql_node({vindex().string(), "--port", "0", "--http-port", "0",
                                        "--join", "127.0.0.1:1", "--available-ram", "1GB"})};
  const auto port = http_port(node);
  ASSERT_NE(port, 0) << node.err();
  ASSERT_TRUE(node.wait_for_err("127.0.0.1:1")) << node.err();
  EXPECT_EQ(http_get(port, "/healthz").status, 200);
  const auto ready = http_get(port, "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.body, "loading: waiting for a coordinator to say what to load\n");
  EXPECT_EQ(prometheus_text{http_get(port, "/metrics").body}["larql_ready"], 0);
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), (exit_status{0, 0}));
}

// Silent connections to the laptops' port take every descriptor that is left.
TEST_F(NodeHttpProcess, ANodeWhoseDescriptorsAreTakenBySilentPeersAnswersProbesAndOperators) {
  auto command = words{"/usr/bin/prlimit", "--nofile=40"};
  for (auto& word : larql_node({vindex().string(), "--port", "0", "--http-port", "0", "-t", "2"}))
    command.push_back(std::move(word));
  auto node = child_process{command};
  ASSERT_TRUE(node.wait_for_out("\n")) << node.err();
  const auto line = node.out();
  const auto address = line.find(" ready on ") + 10;
  const auto at = line.substr(address, line.find(": ", address) - address);
  const auto port = static_cast<std::uint16_t>(std::stoi(at.substr(at.find(':') + 1)));
  auto silent = std::deque<http_peer>{};
  for (auto i = 0; i < 120; ++i)
    silent.emplace_back(port);
  EXPECT_EQ(http_get(http_port(node), "/healthz").status, 200) << node.err();
  const auto asked = run(larql({"status", "--moe-shards", "0-7=caf://" + at, "--pings", "1"}));
  EXPECT_NE(asked.out.find("serving"), std::string::npos) << asked.out << asked.err << node.err();
  silent.clear();
  node.signal(SIGTERM);
  EXPECT_EQ(node.wait(), (exit_status{0, 0})) << node.err();
}

TEST_F(NodeHttpProcess, ThePortOfTheEnvironmentIsTaken) {
  const auto node = start_node({}, {{"PORT", "0"}});
  EXPECT_EQ(http_get(http_port(node->child()), "/readyz").status, 200);
}

TEST_F(NodeHttpProcess, TheRecipeForCloudMachinesWorksByEnvironmentAlone) {
  const auto secret = std::string{"a secret of more than sixteen bytes"};
  write_file(scratch_ / "cluster.secret", secret + "\n");
  const auto node = [&](const std::string& experts) {
    return std::make_unique<child_process>(
        larql_node({}), child_process::variables{{"EXPERTS", experts},
                                                 {"WARMUP", "1"},
                                                 {"VINDEX_PATH", vindex().string()},
                                                 {"PORT", "0"},
                                                 {"ACTOR_PORT", "0"},
                                                 {"CLUSTER_SECRET", secret}});
  };
  const auto a = node("0-3"), b = node("4-7");
  const auto shard = [](const child_process& child, const std::string& experts) {
    EXPECT_TRUE(child.wait_for_out("\n")) << child.err();
    const auto line = child.out();
    const auto at = line.find(" ready on 127.0.0.1:") + 20;
    return fmt::format("{}=https://127.0.0.1:{}", experts,
                       line.substr(at, line.find(':', at) - at));
  };
  const auto map = shard(*a, "0-3") + "," + shard(*b, "4-7");
  EXPECT_EQ(difference(logits(), logits({"--moe-shards", map, "--secret-file",
                                         (scratch_ / "cluster.secret").string()})),
            "");
  // Without the secret nobody gets in, and it is counted.
  const auto port = static_cast<std::uint16_t>(std::stoi(map.substr(map.rfind(':') + 1)));
  const auto stranger = http_peer{port};
  ASSERT_TRUE(stranger.send("GET / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(stranger.read_all());
  ASSERT_TRUE(b->wait_for_err("warning listener"));
  const auto m = prometheus_text{http_get(http_port(*b), "/metrics").body};
  EXPECT_EQ(m["larql_tls_failures_total"], 1);
  EXPECT_GT(m["larql_calls_total"], 0);
}

TEST_F(NodeHttpProcess, AHttpPortInUseIsAnErrorThatNamesIt) {
  const auto node = start_node({"--http-port", "0"});
  const auto port = http_port(node->child());
  const auto done =
      run(larql_node({vindex().string(), "--port", "0", "--http-port", std::to_string(port)}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find(fmt::format("HTTP: cannot listen on 127.0.0.1:{}", port)),
            std::string::npos)
      << done.err;
}

TEST_F(NodeHttpProcess, ARunIsSeenInTheNumbers) {
  const auto node = start_node({"--http-port", "0"});
  ASSERT_FALSE(logits({"--moe-shards", node->owns("0-7")}).empty());
  const auto m = prometheus_text{http_get(http_port(node->child()), "/metrics").body};
  EXPECT_GT(m["larql_calls_total"], 0);
  EXPECT_EQ(m["larql_calls_failed_total"], 0);
  EXPECT_GT(m["larql_expert_rows_total"], 0);
  EXPECT_GT(m[R"(larql_call_seconds_count{layer="0"})"], 0);
  EXPECT_GT(m["larql_resident_bytes"], 0);
  EXPECT_LE(m["larql_resident_bytes"], m["larql_owned_bytes"]);
}

TEST_F(NodeHttpProcess, AThousandSlowVisitorsDisturbNobody) {
  auto limit = rlimit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  const auto node = start_node({"--http-port", "0"});
  const auto port = http_port(node->child());
  const auto calm = logits({"--moe-shards", node->owns("0-7")});
  auto slow = std::deque<http_peer>{};
  for (auto i = 0; i < 1000; ++i)
    (void) slow.emplace_back(port).send("GET /metrics HTTP/1.1\r\nX: ");
  const auto huge = http_peer{port};
  (void) huge.send("GET / HTTP/1.1\r\nX: " + std::string(4 << 20, 'x'));
  EXPECT_EQ(difference(calm, logits({"--moe-shards", node->owns("0-7")})), "");
  EXPECT_EQ(http_get(port, "/healthz").status, 200);
  node->child().signal(SIGTERM);
  EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
}

} // namespace
} // namespace larql::test
