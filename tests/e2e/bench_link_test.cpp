// `larql bench --wan`: real nodes behind the standard links, and what such a link refuses.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"

#include <nlohmann/json.hpp>

namespace larql::test {
namespace {

class BenchLink : public model_test {
protected:
  [[nodiscard]] words bench(const words& options) const {
    auto out = larql({"bench", vindex().string(), "--no-probe", "--prompt-tokens", "5",
                      "--gen-tokens", "3", "--repeat", "1"});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
};

TEST_F(BenchLink, EveryResultStandsBesideTheBoundOfTheLinkThatWasMeasured) {
  const auto ranges = words{"0-3", "4-7"};
  const auto nodes = start_nodes(ranges);
  const auto done =
      run(bench({"--moe-shards", shard_map(nodes, ranges), "--wan", "metro", "--json"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const auto j = parse_json_text(done.out);
  EXPECT_EQ(j["link"]["name"], "metro");
  EXPECT_EQ(j["link"]["nodes"], 2);
  EXPECT_GE(j["link"]["round_trip_ms"].get<double>(), 10);
  EXPECT_GT(j["link"]["down_bytes_per_second"], j["link"]["up_bytes_per_second"]);
  for (const auto& part : {j["prefill"][0], j["decode"][0]}) {
    EXPECT_GT(part["bound"]["tokens_per_second"].get<double>(), 0) << part.dump();
    EXPECT_GT(part["bound"]["bytes_down"].get<double>(), 0) << part.dump();
    EXPECT_GT(part["bound"]["nodes_ms"].get<double>(), 0) << part.dump();
  }
  // Each layer waits for a round trip, whatever the machine does meanwhile.
  const auto layers = j["decode"][0]["wire"]["layers"].get<double>() / 3;
  EXPECT_GE(j["decode"][0]["token_ms"]["p50"].get<double>(), 10 * layers);
}

TEST_F(BenchLink, TextNamesTheLinkAndTheBounds) {
  const auto node = start_node();
  const auto done = run(bench({"--moe-shards", node->owns("0-7"), "--wan", "loopback",
                               "--wan-jitter", "1", "--no-slow-start"}));
  ASSERT_EQ(done.code, 0) << done.err;
  for (const auto* part :
       {"link loopback", "TCP's window left out", "up to 1.0 ms of jitter", "bound of this link"})
    EXPECT_NE(done.out.find(part), std::string::npos) << part << " is not in\n" << done.out;
}

TEST_F(BenchLink, ALinkNeedsNodesWithAddresses) {
  const auto alone = run(bench({"--wan", "home"}));
  EXPECT_EQ(alone.code, 2) << alone.err;
  EXPECT_NE(alone.err.find("give --topology or --moe-shards"), std::string::npos) << alone.err;
  const auto unknown = run(bench({"--wan", "moon"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("metro"), std::string::npos) << unknown.err;
  const auto nobody = run(bench({"--moe-shards", "0-7=caf://127.0.0.1:1", "--wan", "home"}));
  EXPECT_EQ(nobody.code, 1);
  EXPECT_NE(nobody.err.find("127.0.0.1:1"), std::string::npos) << nobody.err;
}

} // namespace
} // namespace larql::test
