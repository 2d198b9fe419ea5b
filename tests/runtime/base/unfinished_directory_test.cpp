// Mirrors runtime/base/unfinished_directory.hpp.

#include "runtime/base/unfinished_directory.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class UnfinishedDirectory : public testing::Test {
protected:
  test::temporary_directory dir_;
  fs::path to_ = dir_ / "to";
};

TEST_F(UnfinishedDirectory, GetsItsNameAtTheEndWithoutTheState) {
  auto d = unfinished_directory::open(to_, "state", false);
  ASSERT_TRUE(succeeds(d));
  test::write_file(d->path() / "a", "1");
  EXPECT_FALSE(fs::exists(to_));
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_EQ(test::read_tree(to_), (std::map<std::string, std::string>{{"a", "1"}}));
  EXPECT_FALSE(fs::exists(d->path()));
}

TEST_F(UnfinishedDirectory, IsContinuedOnlyWithTheSameState) {
  test::write_file(unfinished_directory::open(to_, "one", false)->path() / "a", "1");
  EXPECT_TRUE(fs::exists(unfinished_directory::open(to_, "one", false)->path() / "a"));
  EXPECT_FALSE(fs::exists(unfinished_directory::open(to_, "two", false)->path() / "a"));
}

TEST_F(UnfinishedDirectory, AFailureLeavesWhatWasMadeAndNothingElse) {
  auto d = unfinished_directory::open(to_, "s", false);
  EXPECT_TRUE(fails(d->finish(fail(errc::io, "no room")), errc::io, {"no room"}));
  EXPECT_FALSE(fs::exists(d->path()));
  d = unfinished_directory::open(to_, "s", false);
  test::write_file(d->path() / "a", "1");
  EXPECT_TRUE(fails(d->finish(fail(errc::io, "no room")), errc::io, {"no room"}));
  EXPECT_TRUE(fs::exists(d->path() / "a"));
  EXPECT_FALSE(fs::exists(to_));
}

TEST_F(UnfinishedDirectory, ReplacesAnotherOnlyIfAllowed) {
  test::write_file(to_ / "old", "1");
  EXPECT_TRUE(
      fails(unfinished_directory::open(to_, "s", false), errc::usage, {to_.string(), "--force"}));
  auto d = unfinished_directory::open(to_, "s", true);
  ASSERT_TRUE(succeeds(d));
  EXPECT_TRUE(fs::exists(to_ / "old")); // until the new one is finished
  test::write_file(d->path() / "new", "2");
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_EQ(test::read_tree(to_), (std::map<std::string, std::string>{{"new", "2"}}));
}

TEST_F(UnfinishedDirectory, DoesNotReplaceWhatAppearedMeanwhile) {
  auto d = unfinished_directory::open(to_, "s", false);
  test::write_file(to_ / "other", "1");
  EXPECT_TRUE(fails(d->finish(), errc::io, {to_.string()}));
  EXPECT_EQ(test::read_file(to_ / "other"), "1");
}

TEST_F(UnfinishedDirectory, ATrailingSlashIsTheSameDirectory) {
  auto d = unfinished_directory::open(to_ / "", "s", false);
  ASSERT_TRUE(succeeds(d));
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_TRUE(fs::is_directory(to_));
}

} // namespace
} // namespace larql
