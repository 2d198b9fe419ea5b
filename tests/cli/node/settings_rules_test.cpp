// Mirrors cli/node/settings.hpp: what wins, and what is an error.

#include "cli/node/settings.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <map>

namespace larql::cli {
namespace {

using test::fails;
using test::succeeds;
using variables = std::map<std::string, std::string>;

class NodeSettingsRules : public testing::Test {
protected:
  [[nodiscard]] result<node_settings> merge(const variables& environment = {}) const {
    return merge_settings(flags, [&](const char* name) -> std::optional<std::string> {
      const auto it = environment.find(name);
      return it == environment.end() ? std::nullopt : std::optional{it->second};
    });
  }

  /// Node alpha of a cluster file; `more` is added to it.
  void use_topology(const std::string& more = {}) {
    const auto file = dir.path() / "c.toml";
    test::write_file(file, "model = \"m.vindex\"\n[[node]]\nname = \"alpha\"\n"
                           "address = \"10.0.0.1:9000\"\nexperts = \"0-3\"\nlayers = \"1-2\"\n"
                           "listen = \"127.0.0.1:9001\"\nthreads = 3\nwarmup = true\n" +
                               more);
    flags.topology = file;
    flags.node = "alpha";
  }

  test::temporary_directory dir;
  node_flags flags;
};

TEST_F(NodeSettingsRules, DefaultsAreLoopbackAndEverything) {
  flags.vindex = "m.vindex";
  const auto s = merge();
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->bind, "127.0.0.1");
  EXPECT_EQ(s->port, 9470);
  EXPECT_FALSE(s->experts || s->layers || s->join || s->available_ram);
  EXPECT_FALSE(s->protect.enabled());
  EXPECT_EQ(s->name, "");
  EXPECT_FALSE(s->warmup || s->mlock || s->insecure_bind);
}

TEST_F(NodeSettingsRules, AClusterFileSaysEverything) {
  use_topology("mlock = true\n");
  const auto s = merge();
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->name, "alpha");
  EXPECT_EQ(s->vindex, (dir.path() / "m.vindex").string());
  EXPECT_EQ(s->experts, (experts::index_range{0, 3}));
  EXPECT_EQ(s->layers, (experts::index_range{1, 2}));
  EXPECT_EQ(s->bind, "127.0.0.1");
  EXPECT_EQ(s->port, 9001);
  EXPECT_EQ(s->threads, 3u);
  EXPECT_TRUE(s->warmup && s->mlock);
}

TEST_F(NodeSettingsRules, TheEnvironmentWinsOverTheFileAndFlagsOverBoth) {
  use_topology();
  const auto environment = variables{
      {"VINDEX_PATH", "env.vindex"}, {"EXPERTS", "4-5"},   {"LAYERS", "0"}, {"ACTOR_PORT", "9002"},
      {"ACTOR_BIND", "127.0.0.2"},   {"NODE_NAME", "env"}, {"WARMUP", "0"}};
  auto s = merge(environment);
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->vindex, "env.vindex");
  EXPECT_EQ(s->experts, (experts::index_range{4, 5}));
  EXPECT_EQ(s->layers, (experts::index_range{0, 0}));
  EXPECT_EQ(s->port, 9002);
  EXPECT_EQ(s->bind, "127.0.0.2");
  EXPECT_EQ(s->name, "env");
  EXPECT_FALSE(s->warmup);
  EXPECT_EQ(s->threads, 3u);

  flags.vindex = "flag.vindex";
  flags.experts = "6-7";
  flags.layers = "2-2";
  flags.port = 0;
  flags.bind = "::1";
  flags.name = "flag";
  flags.threads = 9;
  flags.warmup = true;
  s = merge(environment);
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->vindex, "flag.vindex");
  EXPECT_EQ(s->experts, (experts::index_range{6, 7}));
  EXPECT_EQ(s->layers, (experts::index_range{2, 2}));
  EXPECT_EQ(s->port, 0); // 0 is a value, not an absence
  EXPECT_EQ(s->bind, "::1");
  EXPECT_EQ(s->name, "flag");
  EXPECT_EQ(s->threads, 9u);
  EXPECT_TRUE(s->warmup);
}

TEST_F(NodeSettingsRules, FilesOfTlsComeFromAnywhere) {
  flags.vindex = "m";
  auto s = merge({{"TLS_CA", "e.ca"}, {"TLS_CERT", "e.pem"}, {"TLS_KEY", "e.key"}});
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->protect.files, (topology::tls_files{"e.ca", "e.pem", "e.key"}));
  flags.tls.key = "f.key";
  s = merge({{"TLS_CA", "e.ca"}, {"TLS_CERT", "e.pem"}, {"TLS_KEY", "e.key"}});
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->protect.files, (topology::tls_files{"e.ca", "e.pem", "f.key"}));
  flags.tls = {};
  s = merge({{"CLUSTER_SECRET_FILE", "e.secret"}});
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->protect.secret_file, "e.secret");
  flags.secret_file = "f.secret";
  s = merge({{"CLUSTER_SECRET_FILE", "e.secret"}});
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->protect.secret_file, "f.secret");
}

TEST_F(NodeSettingsRules, ABadValueNamesItsFlagOrVariable) {
  flags.vindex = "m";
  const std::pair<variables, const char*> bad[] = {
      {{{"EXPERTS", "7-3"}}, "EXPERTS"},         {{{"LAYERS", "x"}}, "LAYERS"},
      {{{"ACTOR_PORT", "65536"}}, "ACTOR_PORT"}, {{{"ACTOR_PORT", "-1"}}, "ACTOR_PORT"},
      {{{"ACTOR_PORT", "80x"}}, "ACTOR_PORT"},   {{{"ACTOR_PORT", " 80"}}, "ACTOR_PORT"},
      {{{"WARMUP", "maybe"}}, "WARMUP"}};
  for (const auto& [environment, name] : bad)
    EXPECT_TRUE(fails(merge(environment), errc::usage, {name, environment.begin()->second}));
  const auto refuses = [&](auto change, std::initializer_list<std::string_view> parts) {
    const auto before = flags;
    change(flags);
    EXPECT_TRUE(fails(merge(), errc::usage, parts));
    flags = before;
  };
  refuses([](auto& f) { f.experts = "a-b"; }, {"--experts", "a-b"});
  refuses([](auto& f) { f.layers = "3-"; }, {"--layers", "3-"});
  refuses([](auto& f) { f.join = "nowhere"; }, {"--join", "nowhere"});
  refuses([](auto& f) { f.join = "h:1", f.available_ram = "6 GB"; }, {"--available-ram", "6 GB"});
  refuses([](auto& f) { f.name = std::string(65, 'n'); }, {"--name", "64"});
  refuses([](auto& f) { f.name = "two\nlines"; }, {"--name"});
}

TEST_F(NodeSettingsRules, OthersAreReachedOnlyWithProtectionOrOnPurpose) {
  flags.vindex = "m";
  flags.bind = "0.0.0.0";
  EXPECT_TRUE(fails(merge(), errc::usage, {"--bind 0.0.0.0", "loopback", "--insecure-bind"}));
  EXPECT_FALSE(merge({{"ACTOR_BIND", "0.0.0.0"}}));
  flags.secret_file = "s";
  EXPECT_TRUE(succeeds(merge()));
  flags.secret_file.clear();
  flags.insecure_bind = true;
  EXPECT_TRUE(succeeds(merge()));
}

TEST_F(NodeSettingsRules, ASecretAndCertificatesExcludeEachOther) {
  flags.vindex = "m";
  flags.secret_file = "s";
  flags.tls.ca = "ca.pem";
  EXPECT_TRUE(fails(merge(), errc::usage, {"exclude each other"}));
  flags.tls = {};
  EXPECT_TRUE(fails(merge({{"TLS_CA", "ca.pem"}}), errc::usage, {"exclude each other"}));
}

TEST_F(NodeSettingsRules, OfferedMemoryNeedsSomebodyWhoSaysWhatToLoad) {
  flags.vindex = "m";
  flags.available_ram = "6GB";
  EXPECT_TRUE(fails(merge(), errc::usage, {"--available-ram", "--join"}));
  flags.join = "laptop:9471";
  const auto s = merge();
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->available_ram, 6'000'000'000u);
  EXPECT_EQ(host_port(*s->join), "laptop:9471");
  flags.experts = "0-3";
  EXPECT_TRUE(fails(merge(), errc::usage, {"--available-ram", "--experts"}));
  EXPECT_FALSE(merge({{"LAYERS", "1"}}));
}

TEST_F(NodeSettingsRules, ANodeMustBeOneOfTheFile) {
  use_topology();
  flags.node = "omega";
  EXPECT_TRUE(fails(merge(), errc::usage, {"c.toml", "omega"}));
  flags.node.clear();
  EXPECT_TRUE(fails(merge(), errc::usage, {"c.toml", "--node"}));
  flags.topology.clear();
  flags.node = "alpha";
  flags.vindex = "m";
  EXPECT_TRUE(fails(merge(), errc::usage, {"--node alpha", "--topology"}));
  flags.topology = dir.path() / "nowhere.toml";
  EXPECT_TRUE(fails(merge(), errc::not_found, {"nowhere.toml"}));
}

TEST_F(NodeSettingsRules, AClusterWithCertificatesNeedsOneOfTheNode) {
  for (const auto* name : {"ca.pem", "me.pem", "me.key"})
    test::write_file(dir.path() / name, "x");
  const auto security =
      std::string{"[security]\nca = \"ca.pem\"\ncertificate = \"me.pem\"\nkey = \"me.key\"\n"};
  use_topology(security);
  EXPECT_TRUE(fails(merge(), errc::usage, {"node alpha has no certificate and key"}));
  use_topology("certificate = \"alpha.pem\"\nkey = \"alpha.key\"\n" + security);
  const auto s = merge();
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->protect.files.certificate, dir.path() / "alpha.pem"); // not the laptop's
  EXPECT_EQ(s->protect.files.ca, dir.path() / "ca.pem");
}

TEST(OwnedBy, WhatIsNotNamedIsEverything) {
  auto model = vindex::model_config{};
  model.layers = 6;
  model.experts = 8;
  auto s = node_settings{};
  EXPECT_EQ(*owned_by(s, model), (experts::ownership{{0, 5}, {0, 7}}));
  s.experts = experts::index_range{2, 3};
  EXPECT_EQ(*owned_by(s, model), (experts::ownership{{0, 5}, {2, 3}}));
}

} // namespace
} // namespace larql::cli
