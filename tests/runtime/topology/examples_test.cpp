// Mirrors deploy/topologies/: every example is a cluster file that the parser takes and that covers
// the 26B model, so none can go stale.

#include "runtime/topology/topology.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <set>

namespace larql::topology {
namespace {

namespace fs = std::filesystem;

// The shape that the examples are written for.
constexpr auto layers = 30u, experts_of_layer = 128u;

class Topologies : public testing::Test {
protected:
  /// A copy beside the files that the example asks its reader to make.
  result<cluster> load(const fs::path& example, reader who) {
    const auto copy = scratch / example.filename().string();
    fs::copy_file(example, copy, fs::copy_options::overwrite_existing);
    fs::create_directories(scratch / "certs");
    for (const auto* name : {"certs/ca.pem", "certs/me.pem", "certs/me.key", "cluster.secret"})
      test::write_file(scratch / name, "stands for the real one");
    return load_cluster(copy, who);
  }

  test::temporary_directory scratch;
};

TEST_F(Topologies, EveryExampleIsValidAndCoversTheModel) {
  auto seen = std::set<std::string>{};
  for (const auto& entry : fs::directory_iterator{test::source_dir() / "deploy/topologies"}) {
    SCOPED_TRACE(entry.path().string());
    seen.insert(entry.path().filename().string());
    for (const auto who : {reader::laptop, reader::node}) {
      const auto c = load(entry.path(), who);
      ASSERT_TRUE(test::succeeds(c));
      EXPECT_TRUE(test::succeeds(check_against(*c, layers, experts_of_layer)));
      EXPECT_TRUE(c->find.enabled() || !c->nodes.empty());
    }
  }
  EXPECT_EQ(seen, (std::set<std::string>{"fly-private.toml", "fly-session.toml", "fly.toml",
                                         "replicated.toml", "tls.toml", "two-nodes.toml"}));
}

TEST_F(Topologies, TheReplicatedExampleSurvivesTheLossOfAnyNode) {
  const auto file = test::source_dir() / "deploy/topologies/replicated.toml";
  const auto c = load(file, reader::laptop);
  ASSERT_TRUE(test::succeeds(c));
  for (const auto& lost : c->nodes) {
    auto rest = *c;
    std::erase_if(rest.nodes, [&](const node_entry& n) { return n.name == lost.name; });
    EXPECT_TRUE(test::succeeds(check_against(rest, layers, experts_of_layer))) << lost.name;
  }
}

TEST_F(Topologies, WhatLeavesTheMachineIsEncrypted) {
  for (const auto* name : {"tls.toml", "fly.toml", "fly-private.toml", "fly-session.toml"}) {
    const auto c = load(test::source_dir() / "deploy/topologies" / name, reader::laptop);
    ASSERT_TRUE(test::succeeds(c));
    EXPECT_TRUE(c->protect.enabled()) << name;
    for (const auto& n : c->nodes)
      EXPECT_TRUE(n.address.tls) << name << ' ' << n.name;
    for (const auto& d : c->find.dns)
      EXPECT_TRUE(d.tls) << name << ' ' << d.host;
  }
}

} // namespace
} // namespace larql::topology
