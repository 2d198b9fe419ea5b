// Mirrors runtime/topology/topology.hpp: what a cluster file means, and every way it can be wrong.

#include "runtime/topology/topology.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::topology {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

constexpr std::string_view two_nodes = R"(model = "m.vindex"
[[node]]
name = "a"
address = "10.0.0.1:9470"
experts = "0-3"
[[node]]
name = "b"
address = "10.0.0.2:9470"
experts = "4-7"
layers = "0-3"
)";

result<cluster> parse(const std::string& text) {
  return parse_cluster(text, "c.toml", "/etc/larql");
}
std::string with(std::string_view more) {
  return std::string{two_nodes} + std::string{more};
}

TEST(Topology, ReadsNodesWithDefaults) {
  const auto c = parse(with(""));
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->model, "/etc/larql/m.vindex");
  EXPECT_EQ(c->source, "c.toml");
  ASSERT_EQ(c->nodes.size(), 2u);
  EXPECT_EQ(c->nodes[0].name, "a");
  EXPECT_EQ(c->nodes[0].address, (shard_url{"10.0.0.1", 9470, false}));
  EXPECT_EQ(c->nodes[0].experts, (experts::index_range{0, 3}));
  EXPECT_FALSE(c->nodes[0].layers);
  EXPECT_EQ(c->nodes[0].where, "c.toml:3");
  EXPECT_EQ(c->limits.failover, 30s);
  EXPECT_FALSE(c->find.enabled());
  EXPECT_FALSE(c->protect.enabled());
  EXPECT_FALSE(c->hedge.enabled);
  EXPECT_EQ(c->spot_check, 1000u);
  EXPECT_EQ(c->rows, row_encoding::automatic);
  EXPECT_EQ(c->relays, relay_use::measured);
  EXPECT_TRUE(c->complete_rows);
  EXPECT_EQ(c->sums, quant::sum_format::exact);
  EXPECT_FALSE(c->nodes[0].relay);
  EXPECT_EQ(c->find_node("b"), &c->nodes[1]);
  EXPECT_EQ(c->find_node("z"), nullptr);
}

TEST(Topology, ReadsEveryKey) {
  const auto dir = test::temporary_directory{};
  for (const auto* name : {"ca.pem", "me.pem", "me.key"})
    test::write_file(dir.path() / name, "x");
  const auto c = parse_cluster(R"(model = "hf://a/b"
[[node]]
name = "a"
address = "h:1"
vindex = "v"
listen = "0.0.0.0:2"
threads = 4
warmup = true
mlock = true
sessions = 3
certificate = "a.pem"
key = "a.key"
[discovery]
dns = "app.internal:9470"
interval = "2s"
join = "0.0.0.0:9480"
[security]
ca = "ca.pem"
certificate = "me.pem"
key = "me.key"
[deadlines]
connect = "1s"
call_floor = "10ms"
call_ceiling = "2s"
call_factor = 2.5
failover = "1m"
heartbeat = "500ms"
heartbeat_misses = 3
reconnect_first = "50ms"
reconnect_max = "5s"
[hedging]
enabled = true
quantile = 0.9
[wire]
rows = "f32"
relay = "always"
complete_rows = false
sums = "q8"
[session]
at = "a"
)",
                               "c.toml", dir.path());
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->sessions_at, std::vector<std::string>{"a"});
  EXPECT_EQ(c->nodes.at(0).sessions, 3u);
  EXPECT_EQ(c->model, "hf://a/b");
  const auto& n = c->nodes.at(0);
  EXPECT_EQ(n.vindex, (dir.path() / "v").string());
  EXPECT_EQ(n.listen, "0.0.0.0:2");
  EXPECT_EQ(n.threads, 4u);
  EXPECT_TRUE(n.warmup && n.mlock && n.address.tls);
  EXPECT_EQ(n.certificate, dir.path() / "a.pem");
  EXPECT_EQ(c->find.dns.at(0), (shard_url{"app.internal", 9470, true}));
  EXPECT_EQ(c->find.interval, 2s);
  EXPECT_EQ(c->find.join, (shard_url{"0.0.0.0", 9480, false}));
  EXPECT_EQ(c->protect.files.key, dir.path() / "me.key");
  EXPECT_EQ(c->limits.call_factor, 2.5);
  EXPECT_EQ(c->limits.heartbeat_misses, 3u);
  EXPECT_EQ(c->limits.reconnect_max, 5s);
  EXPECT_TRUE(c->hedge.enabled);
  EXPECT_EQ(c->hedge.quantile, 0.9);
  EXPECT_EQ(c->rows, row_encoding::f32);
  EXPECT_EQ(c->relays, relay_use::always);
  EXPECT_FALSE(c->complete_rows);
  EXPECT_EQ(c->sums, quant::sum_format::q8);
}

TEST(Topology, ErrorsNameFileLineAndKey) {
  const auto refuses = [](const std::string& text, std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(fails(parse(text), errc::usage, parts)) << text;
  };
  refuses("", {"c.toml:1: model: is missing"});
  refuses("model = 'm'", {"c.toml", "no [[node]] and no [discovery]"});
  refuses(with("[nodes]\n"), {"c.toml:11: nodes: is no key", "\"node\""});
  refuses(with("[[node]]\nname = \"c\"\n"), {"c.toml:11: address: is missing"});
  refuses(with("[[node]]\naddress = \"h:1\"\n"), {"name: is missing"});
  refuses(with("[[node]]\nname = \"\"\naddress = \"h:1\"\n"), {"c.toml:12: name: is \"\""});
  refuses(with("[[node]]\nname = \"c\"\naddress = \"h\"\n"), {"c.toml:13: address", "port"});
  refuses(with("[[node]]\nname = \"c\"\naddress = \"h:1\"\nexperts = \"5-2\"\n"),
          {"c.toml:14: experts is \"5-2\""});
  refuses(with("[[node]]\nname = \"a\"\naddress = \"h:1\"\n"),
          {"c.toml:12: name: \"a\" is taken by the node at c.toml:3"});
  refuses(with("[[node]]\nname = \"c\"\naddress = \"10.0.0.1:9470\"\n"),
          {"c.toml:12: address: 10.0.0.1:9470 is taken by the node at c.toml:3"});
  refuses(with("[[node]]\nname = \"c\"\naddress = \"h:1\"\nkey = \"k\"\n"),
          {"c.toml:14: key: certificate and key come together"});
  refuses(with("[deadlines]\nfailover = 30\n"), {"c.toml:12: failover: is 30", "duration"});
  refuses(with("[deadlines]\ncall_floor = \"20s\"\n"), {"c.toml:12: call_floor: is above"});
  refuses(with("[discovery]\ndns = \"x\"\n"), {"c.toml:12: dns"});
  refuses(with("[hedging]\nquantile = 2\n"), {"c.toml:12: quantile: is 2"});
  refuses(with("[wire]\nrows = \"q4\"\n"), {"c.toml:12: rows: is \"q4\"", "\"auto\" or \"f32\""});
  refuses(with("[wire]\nrelay = \"yes\"\n"), {"c.toml:12: relay: is \"yes\"", "\"never\""});
  refuses(with("[wire]\nrow = \"f32\"\n"), {"c.toml:12: row: is no key", "\"rows\""});
}

TEST(Topology, CertificatesMustBeThereAndComeTogether) {
  EXPECT_TRUE(fails(parse(with("[security]\nca = \"none.pem\"\n")), errc::usage,
                    {"c.toml:12: ca:", "/etc/larql/none.pem", "No such file"}));
  const auto dir = test::temporary_directory{};
  test::write_file(dir.path() / "f", "x");
  const auto in_dir = [&](std::string_view more) {
    return parse_cluster(with(more), "c.toml", dir.path());
  };
  EXPECT_TRUE(fails(in_dir("[security]\nca = \"f\"\n"), errc::usage,
                    {"certificate: is missing", "come together"}));
  EXPECT_TRUE(fails(in_dir("[security]\nca = \"f\"\ncertificate = \"f\"\nkey = \"f\"\n"
                           "secret_file = \"f\"\n"),
                    errc::usage, {"c.toml:15: secret_file", "exclude each other"}));
  const auto secret = in_dir("[security]\nsecret_file = \"f\"\n");
  ASSERT_TRUE(succeeds(secret));
  EXPECT_TRUE(secret->protect.enabled());
  EXPECT_TRUE(secret->nodes[0].address.tls);
}

TEST(Topology, IsCheckedAgainstTheModel) {
  const auto c = *parse(with(""));
  EXPECT_TRUE(succeeds(check_against(c, 4, 8)));
  EXPECT_TRUE(fails(check_against(c, 4, 6), errc::usage, {"c.toml:7", "experts 4-7", "0-5"}));
  EXPECT_TRUE(fails(check_against(c, 2, 8), errc::usage, {"c.toml:7", "layers 0-3", "0-1"}));
  EXPECT_TRUE(fails(check_against(c, 5, 8), errc::usage, {"c.toml", "layer 4", "experts 4-7"}));
  EXPECT_TRUE(succeeds(check_against(c, 5, 8, experts::ownership{{4, 4}, {4, 7}})))
      << "whoever asks has them";
}

TEST(Topology, DiscoveryMayFillGaps) {
  const auto c = *parse(with("[discovery]\ndns = \"x:1\"\n"));
  EXPECT_TRUE(succeeds(check_against(c, 4, 100)));
}

TEST(Topology, TheShortFormBuildsTheSameStructure) {
  const auto c = cluster_of(*parse_shard_map("0-3=caf://a:1,4-7=tls://b:2"));
  ASSERT_EQ(c.nodes.size(), 2u);
  EXPECT_EQ(c.nodes[1].address, (shard_url{"b", 2, true}));
  const auto parts = parts_of(c, 4, 8);
  EXPECT_EQ(parts[1].name, "tls://b:2");
  EXPECT_EQ(parts[1].owned, (experts::ownership{{0, 3}, {4, 7}}));
  EXPECT_TRUE(succeeds(check_against(c, 4, 8)));
}

TEST(Topology, AFileThatIsNotThereIsNamed) {
  EXPECT_TRUE(fails(load_cluster("/nowhere/c.toml"), errc::not_found, {"/nowhere/c.toml"}));
}

TEST(Topology, ANodeDoesNotNeedTheLaptopsKey) {
  const auto dir = test::temporary_directory{};
  test::write_file(dir.path() / "ca.pem", "x");
  const auto text = with(R"([security]
ca = "ca.pem"
certificate = "laptop.pem"
key = "laptop.key"
)");
  EXPECT_TRUE(succeeds(parse_cluster(text, "c.toml", dir.path(), reader::node)));
  EXPECT_TRUE(fails(parse_cluster(text, "c.toml", dir.path()), errc::usage, {"laptop.pem"}));
}

TEST(Topology, SaysHowOftenACallIsChecked) {
  const auto spot_check = [](const std::string& value) {
    return parse("spot_check = " + value + "\n" + std::string{two_nodes});
  };
  EXPECT_EQ(spot_check("1")->spot_check, 1u);
  EXPECT_EQ(spot_check("0")->spot_check, 0u);
  EXPECT_TRUE(fails(spot_check("-1"), errc::usage, {"c.toml:1", "spot_check", "-1"}));
  EXPECT_TRUE(fails(spot_check("\"often\""), errc::usage, {"c.toml:1", "spot_check"}));
}

} // namespace
} // namespace larql::topology
