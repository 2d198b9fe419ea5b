// Mirrors cli/node/settings.hpp: which of flags, environment and cluster file wins.

#include "cli/node/settings.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <map>

namespace larql::cli {
namespace {

using test::fails;

class NodeSettings : public testing::Test {
protected:
  using words = std::vector<std::string>;
  using variables = std::map<std::string, std::string>;

  /// What a node with this command line and environment does.
  static result<node_settings> merged(words arguments, const variables& environment = {}) {
    auto program = program_parser{"larql-node", ""};
    auto flags = node_flags{};
    add_node_options(program, flags);
    const auto outcome = program.parse(std::move(arguments));
    EXPECT_EQ(outcome.what, parse_outcome::kind::complete) << outcome.text;
    return merge_settings(flags, [&](const char* name) -> std::optional<std::string> {
      const auto at = environment.find(name);
      return at == environment.end() || at->second.empty() ? std::nullopt
                                                           : std::optional{at->second};
    });
  }

  words with_file(words arguments = {}) {
    test::write_file(scratch / "c.toml", R"(model = "m.vindex"
[[node]]
name = "alpha"
address = "127.0.0.1:9000"
experts = "0-3"
http = "127.0.0.2:8000"
threads = 3
warmup = true
)");
    arguments.insert(arguments.end(),
                     {"--topology", (scratch / "c.toml").string(), "--node", "alpha"});
    return arguments;
  }

  test::temporary_directory scratch;
};

TEST_F(NodeSettings, WithoutAnythingTheModelIsOnTheVolumeAndThereIsNoHttp) {
  const auto s = merged({});
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->vindex, "/data/vindex");
  EXPECT_FALSE(s->experts);
  EXPECT_FALSE(s->layers);
  EXPECT_EQ(s->port, 9470);
  EXPECT_FALSE(s->http_port);
  EXPECT_FALSE(s->warmup);
}

TEST_F(NodeSettings, TheEnvironmentOfTheReferencesRecipeWorks) {
  const auto s = merged({}, {{"EXPERTS", "0-63"},
                             {"LAYERS", "2-5"},
                             {"WARMUP", "1"},
                             {"PORT", "8080"},
                             {"HF_REPO", "owner/name"},
                             {"VINDEX_PATH", "/data/other"}});
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->experts, (experts::index_range{0, 63}));
  EXPECT_EQ(s->layers, (experts::index_range{2, 5}));
  EXPECT_TRUE(s->warmup);
  EXPECT_EQ(s->http_port, 8080);
  EXPECT_EQ(s->hub_repo, "owner/name");
  EXPECT_EQ(s->vindex, "/data/other");
}

TEST_F(NodeSettings, AnEmptyVariableIsNone) {
  const auto s = merged({}, {{"EXPERTS", ""}, {"LAYERS", ""}, {"WARMUP", ""}});
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_FALSE(s->experts);
}

TEST_F(NodeSettings, TheFileSaysWhatNobodyElseSays) {
  const auto s = merged(with_file());
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->experts, (experts::index_range{0, 3}));
  EXPECT_EQ(s->http_bind, "127.0.0.2");
  EXPECT_EQ(s->http_port, 8000);
  EXPECT_EQ(s->threads, 3u);
  EXPECT_TRUE(s->warmup);
}

TEST_F(NodeSettings, TheEnvironmentOverridesTheFileAndFlagsOverrideBoth) {
  const auto environment = variables{{"EXPERTS", "4-5"},         {"PORT", "8001"}, {"WARMUP", "0"},
                                     {"HTTP_BIND", "127.0.0.3"}, {"THREADS", "4"}, {"MLOCK", "1"}};
  auto s = merged(with_file(), environment);
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->experts, (experts::index_range{4, 5}));
  EXPECT_EQ(s->http_bind, "127.0.0.3");
  EXPECT_EQ(s->http_port, 8001);
  EXPECT_EQ(s->threads, 4u);
  EXPECT_FALSE(s->warmup);
  EXPECT_TRUE(s->mlock);
  s = merged(with_file({"--experts", "6-7", "--http-port", "8002", "--http-bind", "127.0.0.4", "-t",
                        "5", "--warmup", "--no-mlock"}),
             environment);
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->experts, (experts::index_range{6, 7}));
  EXPECT_EQ(s->http_bind, "127.0.0.4");
  EXPECT_EQ(s->http_port, 8002);
  EXPECT_EQ(s->threads, 5u);
  EXPECT_TRUE(s->warmup);
  EXPECT_FALSE(s->mlock);
  s = merged({"--no-warmup"}, {{"WARMUP", "1"}});
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_FALSE(s->warmup);
}

TEST_F(NodeSettings, ARelayReachesTheNodesOfAFileWithItsOwnProtection) {
  EXPECT_FALSE(merged(with_file())->reach) << "no relay";
  test::write_file(scratch / "near.toml", R"(model = "m.vindex"
[[node]]
name = "beta"
address = "10.0.0.2:9470"
)");
  const auto file = (scratch / "near.toml").string();
  auto s = merged({"--reach", file});
  ASSERT_TRUE(test::succeeds(s));
  ASSERT_TRUE(s->reach);
  EXPECT_EQ(s->reach->nodes.at(0).name, "beta");
  EXPECT_FALSE(s->reach->nodes[0].address.tls);
  s = merged({}, {{"REACH", file}, {"CLUSTER_SECRET", "sixteen bytes ok"}});
  ASSERT_TRUE(test::succeeds(s));
  ASSERT_TRUE(s->reach);
  EXPECT_TRUE(s->reach->nodes[0].address.tls) << "the node has a secret, the file names none";
  EXPECT_TRUE(
      fails(merged({"--reach", (scratch / "none.toml").string()}), errc::not_found, {"none.toml"}));
}

TEST_F(NodeSettings, RelayInTheClusterFileReachesTheFilesOtherNodes) {
  test::write_file(scratch / "r.toml", R"(model = "m.vindex"
[[node]]
name = "alpha"
address = "127.0.0.1:9000"
relay = true
[[node]]
name = "beta"
address = "127.0.0.1:9001"
)");
  const auto file = (scratch / "r.toml").string();
  const auto alpha = merged({"--topology", file, "--node", "alpha"});
  ASSERT_TRUE(test::succeeds(alpha));
  ASSERT_TRUE(alpha->reach);
  EXPECT_EQ(alpha->reach->nodes.size(), 2u) << "it knows its own name";
  const auto beta = merged({"--topology", file, "--node", "beta"});
  ASSERT_TRUE(test::succeeds(beta));
  EXPECT_FALSE(beta->reach);
}

TEST_F(NodeSettings, ABadVariableIsNamed) {
  for (const auto& [name, value] : variables{{"EXPERTS", "63-0"},
                                             {"LAYERS", "a"},
                                             {"WARMUP", "maybe"},
                                             {"MLOCK", "2"},
                                             {"PORT", "65536"},
                                             {"ACTOR_PORT", "-1"},
                                             {"THREADS", "0"}})
    EXPECT_TRUE(fails(merged({}, {{name, value}}), errc::usage, {name.c_str(), value.c_str()}))
        << name;
}

TEST_F(NodeSettings, ASecretMayComeFromTheEnvironmentButOnlyOneProtectionAtATime) {
  const auto secret = std::string{"sixteen bytes ok"};
  auto s = merged({}, {{"CLUSTER_SECRET", secret}, {"ACTOR_BIND", "0.0.0.0"}});
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->protect.secret, secret);
  EXPECT_TRUE(fails(merged({"--secret-file", "f"}, {{"CLUSTER_SECRET", secret}}), errc::usage,
                    {"exclude each other"}));
}

TEST_F(NodeSettings, OnePortCannotServeLaptopsAndHttp) {
  EXPECT_TRUE(
      fails(merged({"--port", "8080", "--http-port", "8080"}), errc::usage, {"8080", "different"}));
  EXPECT_TRUE(test::succeeds(merged({"--port", "0", "--http-port", "0"})));
}

TEST_F(NodeSettings, SessionsAreTakenWhereTheyAreAllowed) {
  EXPECT_FALSE(merged({})->allow_sessions);
  const auto of_environment = merged({}, {{"ALLOW_SESSIONS", "3"}, {"SESSION_MEMORY", "2GB"}});
  ASSERT_TRUE(test::succeeds(of_environment));
  EXPECT_EQ(of_environment->allow_sessions, 3u);
  EXPECT_EQ(of_environment->session_bytes, 2'000'000'000u);
  EXPECT_EQ(merged({"--allow-sessions", "5"}, {{"ALLOW_SESSIONS", "3"}})->allow_sessions, 5u);
  EXPECT_TRUE(fails(merged({}, {{"ALLOW_SESSIONS", "257"}}), errc::usage, {"ALLOW_SESSIONS"}));
}

TEST_F(NodeSettings, TheOtherNodesOfTheClusterFileAreKnown) {
  EXPECT_FALSE(merged(with_file())->others) << "there are none";
  auto arguments = with_file();
  test::write_file(scratch / "c.toml", R"(model = "m.vindex"
[[node]]
name = "alpha"
address = "127.0.0.1:9000"
sessions = 2
[[node]]
name = "beta"
address = "127.0.0.1:9001"
)");
  const auto s = merged(arguments);
  ASSERT_TRUE(test::succeeds(s));
  EXPECT_EQ(s->allow_sessions, 2u);
  ASSERT_TRUE(s->others);
  ASSERT_EQ(s->others->nodes.size(), 1u);
  EXPECT_EQ(s->others->nodes[0].name, "beta");
  const auto by_environment =
      merged({}, {{"TOPOLOGY", (scratch / "c.toml").string()}, {"NODE_NAME", "beta"}});
  ASSERT_TRUE(test::succeeds(by_environment));
  EXPECT_EQ(by_environment->port, 9001);
}

} // namespace
} // namespace larql::cli
