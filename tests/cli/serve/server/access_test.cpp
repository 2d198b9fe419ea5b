// Mirrors cli/serve/server: api_keys.hpp, access_policy.hpp and routes.hpp.

#include "cli/serve/server/access_policy.hpp"
#include "cli/serve/server/api_keys.hpp"
#include "cli/serve/server/routes.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

using test::fails;
using test::succeeds;

constexpr auto key_a = "sk-aaaaaaaaaaaaaaaaaaaa";
constexpr auto key_b = "sk-bbbbbbbbbbbbbbbbbbbb";

TEST(ApiKeys, EveryKeyHasAnIdentityOfItsOwn) {
  const auto keys = api_keys::parse(fmt::format("# who\n{}\r\n\n  {}  \n", key_a, key_b), "keys");
  ASSERT_TRUE(succeeds(keys));
  const auto a = keys->identify(key_a), b = keys->identify(key_b);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_EQ(a->find("aaaa"), std::string::npos); // nothing of the key
  for (const auto* wrong : {"", "sk-aaaaaaaaaaaaaaaaaaa", "sk-aaaaaaaaaaaaaaaaaaaaa", "# who"})
    EXPECT_FALSE(keys->identify(wrong)) << wrong;
}

TEST(ApiKeys, FilesWithoutGoodKeysAreErrorsThatNameTheLine) {
  EXPECT_TRUE(fails(api_keys::parse("", "keys"), errc::usage, {"keys", "holds no key"}));
  EXPECT_TRUE(fails(api_keys::parse("# nothing\n\n", "keys"), errc::usage, {"holds no key"}));
  EXPECT_TRUE(fails(api_keys::parse("\nshort\n", "keys"), errc::usage, {"keys:2", "16 to 512"}));
  EXPECT_TRUE(fails(api_keys::parse("0123456789abcdef with blanks\n", "keys"), errc::usage,
                    {"keys:1", "visible"}));
  EXPECT_TRUE(fails(api_keys::parse(std::string(600, 'x'), "keys"), errc::usage, {"keys:1"}));
  EXPECT_TRUE(fails(api_keys::read("/nowhere/keys"), errc::not_found, {"/nowhere/keys"}));
}

TEST(ApiKeys, TheKeyComesAsBearerOrByItsOwnHeader) {
  EXPECT_EQ(key_of("Bearer abc", ""), "abc");
  EXPECT_EQ(key_of("bearer  abc ", ""), "abc");
  EXPECT_EQ(key_of("", "abc"), "abc");
  EXPECT_EQ(key_of("Bearer abc", "xyz"), "abc");
  EXPECT_EQ(key_of("Basic abc", ""), "");
  EXPECT_EQ(key_of("Bearer", ""), "");
}

TEST(AccessPolicy, AddressesAndLocalhostAreNamesOfTheServer) {
  const auto policy = access_policy{{}, {}, "box"};
  for (const auto* host : {"localhost", "localhost:8090", "127.0.0.1:8090", "[::1]:8090",
                           "192.168.1.5", "LOCALHOST", "a.localhost:1", "box:8090", "box.local"})
    EXPECT_TRUE(policy.allows_host(host)) << host;
}

// A page of evil.example whose name points to this machine.
TEST(AccessPolicy, NamesOfOthersAreRefused) {
  const auto policy = access_policy{{}, {}, "box"};
  for (const auto* host : {"evil.example", "evil.example:8090", "localhost.evil.example", "",
                           "127.0.0.1.evil.example", "boxx", "1.2.3", "[::1"})
    EXPECT_FALSE(policy.allows_host(host)) << host;
  const auto more = access_policy{{"Chat.Example.org"}, {}, ""};
  EXPECT_TRUE(more.allows_host("chat.example.org:443"));
  EXPECT_FALSE(more.allows_host("other.example.org"));
  EXPECT_TRUE((access_policy{{"*"}, {}, ""}).allows_host("anything"));
}

TEST(AccessPolicy, PagesOfTheServerItselfAndListedOnesMayUseIt) {
  const auto policy = access_policy{{}, {"https://chat.example.org", "vscode-webview://*"}, ""};
  EXPECT_TRUE(policy.allows_origin("http://localhost:8090", "localhost:8090"));
  EXPECT_TRUE(policy.allows_origin("https://chat.example.org", "localhost:8090"));
  EXPECT_TRUE(policy.allows_origin("vscode-webview://1a2b", "localhost:8090"));
  for (const auto* origin :
       {"http://localhost:3000", "https://chat.example.org.evil.example", "null",
        "http://evil.example", "https://chat.example.org:8443", "http://chat.example.org"})
    EXPECT_FALSE(policy.allows_origin(origin, "localhost:8090")) << origin;
}

TEST(Routes, EveryProtocolHasItsPaths) {
  for (const auto& [path, to] :
       {std::pair{"/v1/chat/completions", endpoint::chat_completions},
        std::pair{"/v1/messages", endpoint::messages},
        std::pair{"/v1/messages/count_tokens", endpoint::count_tokens},
        std::pair{"/api/chat", endpoint::ollama_chat}, std::pair{"/v1/models", endpoint::models},
        std::pair{"/v1/models/", endpoint::models}, std::pair{"/v1/models/gemma4", endpoint::model},
        std::pair{"/page/main.js", endpoint::page_file}, std::pair{"/cluster", endpoint::cluster},
        std::pair{"/page/answers/0123456789abcdef0123456789abcdef", endpoint::page_answer},
        std::pair{"/", endpoint::root}, std::pair{"/v1/embeddings", endpoint::unsupported}}) {
    const auto found = find_route(path);
    ASSERT_TRUE(found) << path;
    EXPECT_EQ(found->to, to) << path;
  }
  for (const auto* path :
       {"", "/v1", "/v1/chat", "/v1/chat/completions/x", "/../etc/passwd", "//", "/page/answers/x"})
    EXPECT_FALSE(find_route(path)) << path;
}

TEST(Routes, OnlyHealthAndThePagesFilesNeedNoKey) {
  for (const auto* path : {"/health", "/", "/page/main.js"})
    EXPECT_FALSE(find_route(path)->needs_key) << path;
  for (const auto* path :
       {"/metrics", "/props", "/v1/models", "/v1/chat/completions", "/api/tags", "/tokenize",
        "/api/pull", "/cluster", "/page/answers/0123456789abcdef0123456789abcdef"})
    EXPECT_TRUE(find_route(path)->needs_key) << path;
}

TEST(Routes, ErrorsHaveTheShapeOfThePathsProtocol) {
  EXPECT_EQ(shape_of("/v1/messages/batches", false), protocol::anthropic);
  EXPECT_EQ(shape_of("/v1/models", true), protocol::anthropic);
  EXPECT_EQ(shape_of("/v1/models", false), protocol::openai);
  EXPECT_EQ(shape_of("/api/none", false), protocol::ollama);
  EXPECT_EQ(shape_of("/none", false), protocol::openai);
}

} // namespace
} // namespace larql::serve
