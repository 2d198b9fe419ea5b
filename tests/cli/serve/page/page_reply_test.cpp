// Mirrors cli/serve/page/page_reply.hpp and the files that are embedded.

#include "cli/serve/page/page_reply.hpp"

#include "runtime/base/mapped_file.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

namespace larql::serve {
namespace {

namespace fs = std::filesystem;

std::string header_of(const actors::http_reply& r, std::string_view name) {
  for (const auto& [key, value] : r.headers)
    if (key == name)
      return value;
  return {};
}

actors::http_request asking(std::vector<actors::http_header> headers) {
  auto out = actors::http_request{};
  out.method = "GET";
  out.headers = std::move(headers);
  return out;
}

std::string source_of(const fs::path& file) {
  const auto text = read_text_file(test::source_dir() / file, 1 << 20);
  EXPECT_TRUE(test::succeeds(text));
  return text ? *text : std::string{};
}

TEST(PageFiles, AreThoseOfTheSources) {
  const auto root = test::source_dir() / "cli/serve/page/web";
  auto count = std::size_t{0};
  for (const auto& entry : fs::recursive_directory_iterator{root}) {
    if (!entry.is_regular_file())
      continue;
    const auto name = fs::relative(entry.path(), root).generic_string();
    const auto* file = find_page_file(name);
    ASSERT_NE(file, nullptr) << name;
    EXPECT_EQ(file->whole, source_of(entry.path())) << name;
    EXPECT_TRUE(file->gzip.starts_with("\x1f\x8b")) << name;
    ++count;
  }
  EXPECT_EQ(page_files().size(), count);
  EXPECT_EQ(find_page_file("../README.md"), nullptr);
  EXPECT_EQ(find_page_file(""), nullptr);
}

TEST(PageFiles, AreSmallTogether) {
  auto bytes = std::size_t{0};
  for (const auto& f : page_files())
    bytes += f.gzip.size();
  EXPECT_LT(bytes, 400'000u);
}

// A browser asks for a file by the name in another one; a name that is wrong is a page that is
// blank.
TEST(PageFiles, NameOnlyFilesThatAreThere) {
  const auto imports = std::regex{R"re((?:from|import) "(\.[^"]+)")re"};
  for (const auto& f : page_files()) {
    if (!f.name.ends_with(".js"))
      continue;
    const auto text = std::string{f.whole};
    for (auto i = std::sregex_iterator{text.begin(), text.end(), imports};
         i != std::sregex_iterator{}; ++i) {
      const auto path = (fs::path{f.name}.parent_path() / (*i)[1].str()).lexically_normal();
      EXPECT_NE(find_page_file(path.generic_string()), nullptr) << f.name << ": " << path;
    }
  }
  const auto html = std::string{find_page_file("index.html")->whole};
  const auto links = std::regex{R"re((?:href|src)="page/([^"]+)")re"};
  auto linked = std::set<std::string>{};
  for (auto i = std::sregex_iterator{html.begin(), html.end(), links}; i != std::sregex_iterator{};
       ++i) {
    linked.insert((*i)[1].str());
    EXPECT_NE(find_page_file((*i)[1].str()), nullptr) << (*i)[1];
  }
  // Modules that are named at once are fetched at once.
  for (const auto& f : page_files())
    EXPECT_TRUE(linked.contains(std::string{f.name}) || f.name == "index.html") << f.name;
}

TEST(PageFiles, LoadNothingFromElsewhere) {
  const auto foreign = std::regex{R"re((?:src|href)="(?:https?:)?//|url\(|@import|import\()re"};
  for (const auto& f : page_files())
    EXPECT_FALSE(std::regex_search(std::string{f.whole}, foreign)) << f.name;
}

TEST(PageReply, ComesCompressedToWhomCanReadThat) {
  const auto& file = *find_page_file("main.js");
  const auto plain = page_reply(file, asking({}));
  EXPECT_EQ(plain.status, 200u);
  EXPECT_EQ(plain.body, file.whole);
  EXPECT_EQ(header_of(plain, "Content-Encoding"), "");
  EXPECT_EQ(header_of(plain, "Content-Type"), "text/javascript; charset=utf-8");
  const auto packed = page_reply(file, asking({{"accept-encoding", "br, gzip;q=0.8, deflate"}}));
  EXPECT_EQ(packed.body, file.gzip);
  EXPECT_EQ(header_of(packed, "Content-Encoding"), "gzip");
  EXPECT_NE(header_of(packed, "Vary").find("Accept-Encoding"), std::string::npos);
  EXPECT_EQ(page_reply(file, asking({{"accept-encoding", "gzip;q=0, br"}})).body, file.whole);
}

TEST(PageReply, IsNotSentAgainToWhomHasIt) {
  const auto& file = *find_page_file("index.html");
  const auto tag = header_of(page_reply(file, asking({})), "ETag");
  const auto same = page_reply(file, asking({{"if-none-match", "\"other\", " + tag}}));
  EXPECT_EQ(same.status, 304u);
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(header_of(same, "ETag"), tag);
  EXPECT_EQ(page_reply(file, asking({{"if-none-match", "\"other\""}})).status, 200u);
  // Always asked for, so that all files of a page are of one version.
  EXPECT_EQ(header_of(same, "Cache-Control"), "no-cache");
}

TEST(PageReply, ForbidsWhatThePageNeverDoes) {
  const auto reply = page_reply(*find_page_file("index.html"), asking({}));
  const auto policy = header_of(reply, "Content-Security-Policy");
  for (const auto* part : {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'",
                           "require-trusted-types-for 'script'", "trusted-types 'none'"})
    EXPECT_NE(policy.find(part), std::string::npos) << part;
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(header_of(reply, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header_of(reply, "Referrer-Policy"), "no-referrer");
}

TEST(PageReply, HasThePolicyUnderWhichThePageIsTested) {
  auto text = source_of("tests/page/fake_server.mjs");
  text = std::regex_replace(text, std::regex{"\" \\+\\n *\""}, "");
  EXPECT_NE(text.find(content_security_policy), std::string::npos);
}

TEST(PageReply, IsForBrowsersAlone) {
  EXPECT_TRUE(wants_page(asking({{"accept", "text/html,application/xhtml+xml,*/*;q=0.8"}})));
  EXPECT_FALSE(wants_page(asking({{"accept", "*/*"}})));
  EXPECT_FALSE(wants_page(asking({})));
}

} // namespace
} // namespace larql::serve
