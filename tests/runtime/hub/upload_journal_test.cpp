// Mirrors runtime/hub/upload_journal.hpp.

#include "runtime/hub/upload_journal.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using test::fails;
using test::succeeds;

constexpr auto here = "https://hub/ann/tiny";

begun_upload three_parts() {
  auto u = begun_upload{};
  u.object.oid = std::string(64, 'a');
  u.object.bytes = 250;
  u.object.part_bytes = 100;
  u.object.part_urls = {"https://s/1?sig=x", "https://s/2?sig=x", "https://s/3?sig=x"};
  u.object.upload = lfs_action{"https://s/complete", {}};
  u.etags = {"", "\"e2\"", ""};
  return u;
}

TEST(UploadJournal, WhatIsWrittenIsReadAgain) {
  const auto u = three_parts();
  const auto again = parse_upload_journal(write_upload_journal(u, here), here);
  ASSERT_TRUE(succeeds(again));
  EXPECT_EQ(again->object.oid, u.object.oid);
  EXPECT_EQ(again->object.bytes, 250u);
  EXPECT_EQ(again->object.part_bytes, 100u);
  EXPECT_EQ(again->object.part_urls, u.object.part_urls);
  EXPECT_EQ(again->object.upload->url, "https://s/complete");
  EXPECT_EQ(again->etags, u.etags);
}

TEST(UploadJournal, ATornLineAndWhatFollowsDamageDoNotCount) {
  const auto text = write_upload_journal(three_parts(), here);
  using etags = std::vector<std::string>;
  for (const auto& [lines, expected] :
       std::vector<std::pair<std::string, etags>>{{"1 \"e1\"\n", {"\"e1\"", "\"e2\"", ""}},
                                                  {"1 \"e", {"", "\"e2\"", ""}},
                                                  {"4 x\n1 y\n", {"", "\"e2\"", ""}},
                                                  {"0 x\n1 y\n", {"", "\"e2\"", ""}},
                                                  {"\n1 y\n", {"", "\"e2\"", ""}},
                                                  {"1\n3 y\n", {"", "\"e2\"", ""}},
                                                  {"3 z\n2 new\n", {"", "new", "z"}}}) {
    const auto found = parse_upload_journal(text + lines, here);
    ASSERT_TRUE(succeeds(found)) << lines;
    EXPECT_EQ(found->etags, expected) << lines;
  }
}

TEST(UploadJournal, OneOfAnotherRepositoryOrVersionIsRefused) {
  const auto text = write_upload_journal(three_parts(), here);
  EXPECT_TRUE(fails(parse_upload_journal(text, "https://hub/ann/other"), errc::mismatch,
                    {"repository", here, "ann/other"}));
  auto other = text;
  other.replace(other.find("\"version\":1"), 11, "\"version\":2");
  EXPECT_TRUE(fails(parse_upload_journal(other, here), errc::unsupported, {"version", "2", "1"}));
  EXPECT_TRUE(fails(parse_upload_journal("", here), errc::corrupt, {"first line"}));
  EXPECT_TRUE(fails(parse_upload_journal("{\n", here), errc::corrupt, {"JSON"}));
}

TEST(UploadJournal, IsFoundByContentUntilForgotten) {
  const auto dir = test::temporary_directory{};
  const auto journal = upload_journal{dir / "uploads", here};
  const auto u = three_parts();
  const auto& oid = u.object.oid;
  EXPECT_FALSE(journal.find(oid, 250));
  journal.begin(u);
  journal.add(u.object, 2, "\"e3\"");
  ASSERT_TRUE(journal.find(oid, 250));
  EXPECT_EQ(journal.find(oid, 250)->etags, (std::vector<std::string>{"", "\"e2\"", "\"e3\""}));
  EXPECT_FALSE(journal.find(oid, 251));
  EXPECT_FALSE((upload_journal{dir / "uploads", "https://hub/ann/other"}.find(oid, 250)));
  journal.forget(oid);
  EXPECT_FALSE(journal.find(oid, 250));
}

TEST(UploadJournal, WithoutADirectoryNothingIsKept) {
  const auto journal = upload_journal{{}, here};
  journal.begin(three_parts());
  journal.add(three_parts().object, 0, "x");
  EXPECT_FALSE(journal.find(three_parts().object.oid, 250));
}

} // namespace
} // namespace larql::hub
