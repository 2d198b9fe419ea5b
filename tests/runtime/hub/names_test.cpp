// Mirrors runtime/hub/repo.hpp, url.hpp, retry.hpp, access.hpp and git_blob.hpp: the small pure
// parts.

#include "runtime/hub/access.hpp"
#include "runtime/hub/git_blob.hpp"
#include "runtime/hub/publish.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/hub/retry.hpp"
#include "runtime/hub/url.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <map>

namespace larql::hub {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

TEST(HubPath, IsOwnerNameAndRevision) {
  const auto r = parse_hub_path("hf://google/gemma-4.vindex@refs/pr/3");
  ASSERT_TRUE(succeeds(r));
  EXPECT_EQ(*r, (repo{"google", "gemma-4.vindex", "refs/pr/3"}));
  EXPECT_EQ(parse_hub_path("hf://a/b")->revision, "main");
}

TEST(HubPath, AnythingElseIsRefused) {
  for (const auto* text :
       {"a/b", "hf://", "hf://a", "hf://a/", "hf:///b", "hf://a/b/c", "hf://../b", "hf://a/..",
        "hf://a/b@", "hf://a/b@x y", "hf://a/b@../../x", "hf://a/b?x", "hf://a%2fb/c", "hf://-a/b"})
    EXPECT_TRUE(fails(parse_hub_path(text), errc::usage, {text})) << text;
}

TEST(ModelAddress, NamesAGgufByItsQuantisationOrItsPath) {
  const auto main = repo{"a", "b", "main"};
  for (const auto& [text, want] : {
           std::pair{"hf://a/b", model_address{main, "", ""}},
           {"hf://a/b:Q4_K_M", {main, "Q4_K_M", ""}},
           {"hf://a/b@v1:UD-Q4_K_XL", {{"a", "b", "v1"}, "UD-Q4_K_XL", ""}},
           {"hf://a/b/m.gguf", {main, "", "m.gguf"}},
           {"hf://a/b/Q4/m-00001-of-00002.gguf", {main, "", "Q4/m-00001-of-00002.gguf"}},
           {"hf://a/b@v1/Q4/m.gguf", {{"a", "b", "v1"}, "", "Q4/m.gguf"}},
           {"hf://a/b@refs/pr/3/m.gguf", {{"a", "b", "refs/pr/3"}, "", "m.gguf"}},
           {"hf://a/b@refs/pr/3", {{"a", "b", "refs/pr/3"}, "", ""}},
           {"hf://a/b@v1.gguf", {{"a", "b", "v1.gguf"}, "", ""}},
       }) {
    const auto found = parse_model_address(text);
    ASSERT_TRUE(succeeds(found)) << text;
    EXPECT_EQ(*found, want) << text;
    EXPECT_EQ(found->text(), text);
    EXPECT_EQ(succeeds(parse_hub_path(text)), !want.names_gguf()) << text;
  }
  for (const auto* text :
       {"a/b:Q4", "hf://a/b:", "hf://a/b:Q4:Q5", "hf://a/b:Q4/m.gguf", "hf://a/b:../x",
        "hf://a/b/../m.gguf", "hf://a/b/.m.gguf", "hf://a/b/m.bin", "hf://a/b@/m.gguf"})
    EXPECT_TRUE(fails(parse_model_address(text), errc::usage, {text})) << text;
  EXPECT_TRUE(fails(parse_hub_path("hf://a/b:Q4"), errc::usage, {"hf://a/b:Q4", "GGUF"}));
}

TEST(HubPath, PathsOfFilesStayInTheDirectory) {
  for (const auto* good : {"a", "layers/layer_00.weights", "a b/c"})
    EXPECT_TRUE(is_harmless_path(good)) << good;
  for (const auto* bad : {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a/.b",
                          "a\nb", "a\\b", "a\xc3\xa9"})
    EXPECT_FALSE(is_harmless_path(bad)) << bad;
}

TEST(Url, OriginsDifferByWhateverServesThem) {
  EXPECT_EQ(*origin_of("https://HuggingFace.co/a?b"), "https://huggingface.co:443");
  EXPECT_EQ(*origin_of("http://[::1]:80/"), "http://[::1]:80");
  EXPECT_NE(*origin_of("https://huggingface.co"), *origin_of("http://huggingface.co"));
  EXPECT_NE(*origin_of("https://huggingface.co"), *origin_of("https://huggingface.co:444"));
  EXPECT_NE(*origin_of("https://huggingface.co"), *origin_of("https://huggingface.co.evil.com"));
  EXPECT_EQ(*origin_of("https://huggingface.co@evil.com/"), "https://evil.com:443");
  for (const auto* bad : {"", "huggingface.co/x y", "ftp://a/b", "file:///etc/passwd"})
    EXPECT_FALSE(origin_of(bad)) << bad;
}

TEST(Url, RedirectsLeadToTheWebAndStayEncrypted) {
  EXPECT_EQ(*redirect_target("https://a.co/b/c?d", "/e"), "https://a.co/e");
  EXPECT_EQ(*redirect_target("https://a.co/b/c", "https://cdn.co/x?y=z"), "https://cdn.co/x?y=z");
  EXPECT_TRUE(fails(redirect_target("https://a.co/", "http://a.co/"), errc::corrupt,
                    {"gives up encryption"}));
  EXPECT_TRUE(
      fails(redirect_target("https://a.co/", "file:///etc/passwd"), errc::corrupt, {"http"}));
  EXPECT_TRUE(
      fails(redirect_target("https://a.co/", "https://me:pw@b.co/"), errc::corrupt, {"user"}));
  EXPECT_TRUE(fails(redirect_target("https://a.co/", ""), errc::corrupt, {"not a URL"}));
}

TEST(Url, MessagesHoldNoSecrets) {
  EXPECT_EQ(without_secrets("https://cdn.co/x?Signature=abc#d"), "https://cdn.co/x");
  EXPECT_EQ(without_secrets("https://me:pw@cdn.co/x"), "https://cdn.co/x");
}

TEST(Url, EncodesAllButPlainCharacters) {
  EXPECT_EQ(percent_encode("a b/c~%", true), "a%20b/c~%25");
  EXPECT_EQ(percent_encode("refs/pr/1", false), "refs%2Fpr%2F1");
}

TEST(Retry, DoublesWithJitterUpToALimitAndObeysTheServer) {
  const auto p = retry_policy{};
  EXPECT_EQ(retry_delay(p, 1, 0.999999, {}), 499ms);
  EXPECT_EQ(retry_delay(p, 1, 0, {}), 250ms);
  EXPECT_EQ(retry_delay(p, 3, 0, {}), 1000ms);
  EXPECT_EQ(retry_delay(p, 1000, 0, {}), 15000ms);
  EXPECT_EQ(retry_delay(p, 1, 0, 7s), 7000ms);
  EXPECT_EQ(retry_delay(p, 1000, 0, 7s), 15000ms);
  EXPECT_TRUE(is_transient(429) && is_transient(503));
  EXPECT_FALSE(is_transient(404) || is_transient(200) || is_transient(401) || is_transient(501));
}

class Access : public testing::Test {
protected:
  result<access> read() {
    return read_access([this](const char* name) -> std::optional<std::string> {
      const auto it = variables_.find(name);
      return it == variables_.end() ? std::nullopt : std::optional{it->second};
    });
  }
  test::temporary_directory dir_;
  std::map<std::string, std::string> variables_;
};

TEST_F(Access, WithoutVariablesIsThePublicHub) {
  const auto a = read();
  ASSERT_TRUE(succeeds(a));
  EXPECT_EQ(a->endpoint, "https://huggingface.co");
  EXPECT_EQ(a->token, "");
}

TEST_F(Access, TakesTheTokenWhereHuggingFacesToolsLeaveIt) {
  std::filesystem::create_directories(dir_ / ".cache/huggingface");
  test::write_file(dir_ / ".cache/huggingface/token", std::string_view{"hf_home\n"});
  test::write_file(dir_ / "token", std::string_view{" hf_file \n"});
  variables_["HOME"] = dir_.path().string();
  EXPECT_EQ(read()->token, "hf_home");
  variables_["HF_HOME"] = dir_.path().string();
  EXPECT_EQ(read()->token, "hf_file");
  variables_["HF_TOKEN_PATH"] = (dir_ / ".cache/huggingface/token").string();
  EXPECT_EQ(read()->token, "hf_home");
  variables_["HF_TOKEN"] = "hf_variable";
  EXPECT_EQ(read()->token, "hf_variable");
}

TEST_F(Access, AMissingTokenFileMattersOnlyIfItWasNamed) {
  variables_["HF_HOME"] = (dir_ / "none").string();
  EXPECT_TRUE(succeeds(read()));
  variables_["HF_TOKEN_PATH"] = (dir_ / "none").string();
  EXPECT_TRUE(fails(read(), errc::not_found, {"HF_TOKEN_PATH"}));
}

TEST_F(Access, ATokenIsOneWord) {
  // The last one is a byte beyond ASCII, which is a negative char on some processors only.
  for (const auto* wrong : {"hf_a\r\nX-Evil: 1", "hf_a b", "hf_\x7f", "hf_\xc3\xa4"}) {
    variables_["HF_TOKEN"] = wrong;
    EXPECT_TRUE(fails(read(), errc::usage, {"HF_TOKEN"})) << wrong;
  }
}

TEST_F(Access, ATokenDoesNotTravelUnencrypted) {
  variables_["HF_TOKEN"] = "hf_a";
  for (const auto* mirror :
       {"http://mirror.lan:8080", "http://127.0.0.1.evil.com", "http://10.0.0.1"}) {
    variables_["HF_ENDPOINT"] = mirror;
    EXPECT_TRUE(fails(read(), errc::usage, {"unencrypted"})) << mirror;
  }
  variables_["HF_ENDPOINT"] = "http://127.0.0.1:8080/";
  EXPECT_EQ(read()->endpoint, "http://127.0.0.1:8080");
  variables_.erase("HF_TOKEN");
  variables_["HF_ENDPOINT"] = "http://mirror.lan";
  EXPECT_TRUE(succeeds(read()));
  variables_["HF_ENDPOINT"] = "mirror lan";
  EXPECT_TRUE(fails(read(), errc::usage, {"HF_ENDPOINT", "mirror lan"}));
}

TEST(FileNames, AreThoseOfGitAndSha256) {
  // `printf hello | git hash-object --stdin`, `printf hello | sha256sum`
  const auto text = std::string{"hello"};
  const auto n = name_bytes(std::as_bytes(std::span{text}));
  EXPECT_EQ(n.git_blob, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0");
  EXPECT_EQ(n.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(n.bytes, 5u);
}

TEST(Base64, IsTheOneOfRfc4648) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("\xff\xfe"), "//4=");
}

} // namespace
} // namespace larql::hub
