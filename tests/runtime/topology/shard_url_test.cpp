// Mirrors runtime/topology/shard_url.hpp and shard_map.hpp.

#include "runtime/topology/shard_map.hpp"
#include "runtime/topology/shard_url.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::topology {
namespace {

using test::fails;
using test::succeeds;

TEST(ShardUrl, KnowsFourSchemes) {
  EXPECT_EQ(*parse_url("caf://a:9470"), (shard_url{"a", 9470, false}));
  EXPECT_EQ(*parse_url("tls://a:9470"), (shard_url{"a", 9470, true}));
  EXPECT_EQ(*parse_url("http://a"), (shard_url{"a", 8080, false}));
  EXPECT_EQ(*parse_url("http://a:81/"), (shard_url{"a", 81, false}));
  EXPECT_EQ(*parse_url("https://x.fly.dev"), (shard_url{"x.fly.dev", 443, true}));
  EXPECT_EQ(*parse_url("caf://[::1]:9470"), (shard_url{"::1", 9470, false}));
}

TEST(ShardUrl, RefusesWhatIsNone) {
  for (const auto* text :
       {"a:9470", "ftp://a:1", "caf://", "caf://a", "caf://:1", "caf://a:", "caf://a:0",
        "caf://a:65536", "caf://a:x", "caf://[::1:1", "caf://a/b:1"})
    EXPECT_TRUE(fails(parse_url(text), errc::usage, {text})) << text;
}

TEST(ShardUrl, HostAndPortStandAlone) {
  EXPECT_EQ(*parse_host_port("a:1", "address"), (shard_url{"a", 1, false}));
  EXPECT_EQ(*parse_host_port("[fdaa::3]:9470", "address"), (shard_url{"fdaa::3", 9470, false}));
  EXPECT_TRUE(
      fails(parse_host_port("a", "address"), errc::usage, {"address", "\"a\"", "HOST:PORT"}));
  EXPECT_TRUE(fails(parse_host_port("caf://a:1", "address"), errc::usage, {"address"}));
}

TEST(ShardUrl, TextIsReadBack) {
  for (const auto* text : {"caf://a:9470", "tls://[::1]:443"})
    EXPECT_EQ(to_string(*parse_url(text)), text);
  EXPECT_EQ(host_port(*parse_url("tls://[::1]:443")), "[::1]:443");
}

TEST(ShardMap, IsAListOfRangesAndUrls) {
  const auto map = parse_shard_map("0-63=caf://a:1,64-127=https://b");
  ASSERT_TRUE(succeeds(map));
  ASSERT_EQ(map->size(), 2u);
  EXPECT_EQ((*map)[0].experts, (experts::index_range{0, 63}));
  EXPECT_EQ((*map)[1].url, (shard_url{"b", 443, true}));
}

TEST(ShardMap, NamesTheEntryThatIsWrong) {
  EXPECT_TRUE(fails(parse_shard_map(""), errc::usage, {"FIRST-LAST=URL"}));
  EXPECT_TRUE(fails(parse_shard_map("0-1=caf://a:1,"), errc::usage, {"entry \"\""}));
  EXPECT_TRUE(fails(parse_shard_map("5-1=caf://a:1"), errc::usage, {"\"5-1\""}));
  EXPECT_TRUE(fails(parse_shard_map("0-1=a:1"), errc::usage, {"\"a:1\""}));
}

} // namespace
} // namespace larql::topology
