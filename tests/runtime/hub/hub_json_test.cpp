// Mirrors runtime/hub/hub_json.hpp and pull_state.hpp: what the Hub answers, and what it must not.

#include "runtime/hub/hub_json.hpp"

#include "runtime/hub/pull_state.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using test::fails;
using test::succeeds;

const auto sha1 = std::string(40, 'a');
const auto sha256 = std::string(64, 'b');

result<std::vector<remote_file>> tree(std::string_view text) {
  auto entries = std::size_t{0};
  return parse_tree(text, "tree", max_listed, entries);
}

TEST(HubJson, ReadsATree) {
  const auto text =
      json::array({{{"type", "directory"}, {"path", "layers"}, {"oid", sha1}, {"size", 0}},
                   {{"type", "file"}, {"path", "a.json"}, {"oid", sha1}, {"size", 3}},
                   {{"type", "file"},
                    {"path", "layers/b.bin"},
                    {"oid", sha1},
                    {"size", 134},
                    {"lfs", {{"oid", sha256}, {"size", 5000}}}},
                   {{"type", "file"}, {"path", ".gitattributes"}, {"oid", sha1}, {"size", 3}},
                   {{"type", "file"}, {"path", "../../etc/passwd"}, {"oid", sha1}, {"size", 3}}})
          .dump();
  const auto files = tree(text);
  ASSERT_TRUE(succeeds(files));
  EXPECT_EQ(*files, (std::vector<remote_file>{{"a.json", 3, sha1, ""},
                                              {"layers/b.bin", 5000, "", sha256}}));
}

TEST(HubJson, RefusesASizeThatItsHashContradicts) {
  const auto nothing = std::string{"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"};
  const auto entry = [](const std::string& oid, int size) {
    return json::array({{{"type", "file"}, {"path", "a"}, {"oid", oid}, {"size", size}}}).dump();
  };
  EXPECT_TRUE(succeeds(tree(entry(nothing, 0))));
  EXPECT_TRUE(fails(tree(entry(nothing, 3)), errc::corrupt, {"a has 3 bytes", "an empty file"}));
  EXPECT_TRUE(fails(tree(entry(sha1, 0)), errc::corrupt, {"a has 0 bytes", "content"}));
  const auto large = json::array({{{"type", "file"},
                                   {"path", "norms.bin"},
                                   {"oid", sha1},
                                   {"size", 134},
                                   {"lfs", {{"oid", sha256}, {"size", 0}}}}});
  EXPECT_TRUE(
      fails(tree(test::json_text(large)), errc::corrupt, {"norms.bin has 0 bytes", sha256}));
}

TEST(HubJson, RefusesMoreEntriesThanThereIsRoomFor) {
  auto entries = json::array();
  for (auto i = 0; i < 3; ++i)
    entries.push_back({{"type", "directory"}, {"path", "a"}});
  auto count = std::size_t{0};
  EXPECT_TRUE(succeeds(parse_tree(test::json_text(entries), "tree", 3, count)));
  EXPECT_EQ(count, 3u);
  EXPECT_TRUE(fails(parse_tree(test::json_text(entries), "tree", 2, count), errc::corrupt,
                    {"tree", "more"}));
}

TEST(HubJson, RefusesATreeThatNamesNoContent) {
  EXPECT_TRUE(fails(tree("{}"), errc::corrupt, {"tree", "array"}));
  EXPECT_TRUE(fails(tree(R"([{"type":"file","path":"a","size":3}])"), errc::corrupt, {"oid"}));
  EXPECT_TRUE(fails(tree(R"([{"type":"file","path":"a","size":3,"oid":"xyz"}])"), errc::corrupt,
                    {"entry 0", "oid", "xyz"}));
  EXPECT_TRUE(fails(tree(R"([{"type":"file","path":"a","size":-3,"oid":"xyz"}])"), errc::corrupt,
                    {"size"}));
}

TEST(HubJson, ReadsACommitHash) {
  EXPECT_EQ(*parse_revision(json{{"sha", sha1}}.dump(), "rev"), sha1);
  EXPECT_TRUE(fails(parse_revision(R"({"sha":"main"})", "rev"), errc::corrupt, {"sha", "main"}));
}

TEST(HubJson, FindsTheNextPage) {
  EXPECT_EQ(next_page(R"(<https://a/b?c=1>; rel="next")"), "https://a/b?c=1");
  EXPECT_EQ(next_page(R"(<https://a/p>; rel="prev", <https://a/n>; rel="next")"), "https://a/n");
  EXPECT_EQ(next_page(R"(<https://a/p>; rel="prev")"), "");
  EXPECT_EQ(next_page("<<<>>>"), "");
  EXPECT_EQ(next_page(""), "");
}

json object_with(const json& actions) {
  return {{"objects", {{{"oid", sha256}, {"size", 250}, {"actions", actions}}}}};
}

TEST(HubJson, ReadsUploadsInOnePieceAndInParts) {
  const auto basic = parse_lfs_batch(
      object_with({{"upload", {{"href", "https://s/1"}, {"header", {{"X-A", "b"}}}}},
                   {"verify", {{"href", "https://h/v"}}}})
          .dump(),
      "batch");
  ASSERT_TRUE(succeeds(basic));
  EXPECT_EQ(basic->at(0).upload->headers, (std::vector<std::string>{"X-A: b"}));
  EXPECT_EQ(basic->at(0).verify->url, "https://h/v");
  const auto parts = parse_lfs_batch(object_with({{"upload",
                                                   {{"href", "https://s/done"},
                                                    {"header",
                                                     {{"chunk_size", "100"},
                                                      {"00001", "https://s/p1"},
                                                      {"00002", "https://s/p2"},
                                                      {"00003", "https://s/p3"}}}}}})
                                         .dump(),
                                     "batch");
  ASSERT_TRUE(succeeds(parts));
  EXPECT_EQ(parts->at(0).part_bytes, 100u);
  EXPECT_EQ(parts->at(0).part_urls,
            (std::vector<std::string>{"https://s/p1", "https://s/p2", "https://s/p3"}));
  EXPECT_TRUE(parts->at(0).upload->headers.empty());
  const auto there =
      parse_lfs_batch(json{{"objects", {{{"oid", sha256}, {"size", 250}}}}}.dump(), "batch");
  ASSERT_TRUE(succeeds(there));
  EXPECT_FALSE(there->at(0).upload);
}

TEST(HubJson, RefusesPartsThatDoNotCoverTheFile) {
  const auto with = [&](const json& header) {
    return parse_lfs_batch(
        object_with({{"upload", {{"href", "https://s/done"}, {"header", header}}}}).dump(),
        "batch");
  };
  EXPECT_TRUE(fails(with({{"chunk_size", "100"}, {"00001", "u"}, {"00002", "u"}}), errc::corrupt,
                    {"2 parts", "expected 3"}));
  EXPECT_TRUE(fails(with({{"chunk_size", "100"}, {"00001", "u"}, {"00002", "u"}, {"00004", "u"}}),
                    errc::corrupt, {"part 3"}));
  EXPECT_TRUE(fails(with({{"chunk_size", "0"}}), errc::corrupt, {"chunk_size"}));
  EXPECT_TRUE(fails(with({{"chunk_size", "-5"}}), errc::corrupt, {"chunk_size"}));
  EXPECT_TRUE(fails(with({{"X-A", "b\r\nX-Evil: c"}}), errc::corrupt, {"X-A", "one line"}));
}

TEST(HubJson, PassesOnWhatTheServerRefuses) {
  const auto text =
      json{{"objects",
            {{{"oid", sha256}, {"size", 250}, {"error", {{"code", 422}, {"message", "too big"}}}}}}}
          .dump();
  EXPECT_TRUE(fails(parse_lfs_batch(text, "batch"), errc::unavailable, {"too big"}));
}

TEST(PullState, ReadsWhatItWrites) {
  const auto s =
      pull_state{"a/b", "main", sha1, {{"x.json", 3, sha1, ""}, {"y/z.bin", 5, "", sha256}}};
  const auto again = parse_pull_state(write_pull_state(s), "state");
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(*again, s);
}

TEST(PullState, ADamagedOneIsAnError) {
  auto s = pull_state{"a/b", "main", sha1, {{"../x", 3, sha1, ""}}};
  EXPECT_TRUE(fails(parse_pull_state(write_pull_state(s), "state"), errc::corrupt, {"files[0]"}));
  s.files.clear();
  s.commit = "main";
  EXPECT_TRUE(fails(parse_pull_state(write_pull_state(s), "state"), errc::corrupt, {"commit"}));
  EXPECT_TRUE(fails(parse_pull_state(R"({"version":2})", "state"), errc::unsupported, {"version"}));
}

TEST(PullLock, IsHeldOnceAndGoesWithItsHolder) {
  const auto dir = test::temporary_directory{};
  const auto layout = pull_layout{dir.path()};
  {
    const auto first = pull_lock::take(layout, [] { return false; });
    ASSERT_TRUE(succeeds(first));
    auto asked = 0;
    EXPECT_TRUE(fails(pull_lock::take(layout, [&] { return ++asked < 3; }), errc::unavailable,
                      {"another process"}));
    EXPECT_EQ(asked, 3);
  }
  EXPECT_TRUE(succeeds(pull_lock::take(layout, [] { return false; })));
}

} // namespace
} // namespace larql::hub
