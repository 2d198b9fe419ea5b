// Mirrors runtime/base/unfinished_directory.hpp.

#include "runtime/base/unfinished_directory.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/traced_child.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sys/syscall.h>

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
  EXPECT_EQ(test::read_tree(to_), (test::file_tree{{"a", "1"}}));
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
  EXPECT_EQ(test::read_tree(to_), (test::file_tree{{"new", "2"}}));
}

TEST_F(UnfinishedDirectory, DoesNotReplaceWhatAppearedMeanwhile) {
  auto d = unfinished_directory::open(to_, "s", false);
  test::write_file(to_ / "other", "1");
  EXPECT_TRUE(fails(d->finish(), errc::io, {to_.string()}));
  EXPECT_EQ(test::read_file(to_ / "other"), "1");
}

TEST_F(UnfinishedDirectory, LeavesNeighboursOfOthersAlone) {
  const auto neighbour = dir_ / "to.replaced";
  test::write_file(neighbour / "a", "1");
  EXPECT_TRUE(succeeds(unfinished_directory::open(to_, "s", false)));
  EXPECT_FALSE(fs::exists(to_));
  test::write_file(to_ / "old", "1");
  EXPECT_FALSE(check_destination(to_, false));
  EXPECT_TRUE(succeeds(unfinished_directory::open(to_, "s", true)));
  EXPECT_TRUE(fs::exists(neighbour / "a"));
}

TEST_F(UnfinishedDirectory, ATrailingSlashIsTheSameDirectory) {
  auto d = unfinished_directory::open(to_ / "", "s", false);
  ASSERT_TRUE(succeeds(d));
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_TRUE(fs::is_directory(to_));
}

// ---- killed while it finishes -------------------------------------------------------------------

using tree = test::file_tree;

tree without_state(tree files) {
  files.erase(".unfinished.json");
  return files;
}

class KilledFinish : public UnfinishedDirectory, public testing::WithParamInterface<bool> {
protected:
  const tree old_files_{{"old", "1"}};
  const tree new_files_{{"a", "2"}, {"b", "3"}};

  void reset(bool has_old) {
    for (const auto& left : fs::directory_iterator{dir_.path()})
      fs::remove_all(left.path());
    if (has_old)
      test::write_file(to_ / "old", "1");
    auto d = unfinished_directory::open(to_, "state", has_old);
    ASSERT_TRUE(succeeds(d));
    test::write_file(d->path() / "a", "2");
    test::write_file(d->path() / "b", "3");
  }

  // What a run that goes on does, in a child that is killed before its call `n`.
  std::optional<test::traced_end> finish_until(unsigned n, bool has_old) {
    auto options = test::traced_options{};
    options.kill_before = n;
    if (!GetParam())
      options.refused = SYS_renameat2;
    auto d = unfinished_directory::open(to_, "state", has_old);
    return test::run_traced([&] { return static_cast<bool>(d->finish()); }, options);
  }
};

TEST_P(KilledFinish, BeforeAnySystemCallLosesNeitherTheOldNorTheNew) {
  for (const auto has_old : {false, true}) {
    auto n = 0u;
    for (auto end = test::traced_end::killed; end == test::traced_end::killed; ++n) {
      SCOPED_TRACE(fmt::format("{} old one, killed before call {}", has_old ? "an" : "no", n));
      reset(has_old);
      const auto ended = finish_until(n, has_old);
      if (!ended)
        GTEST_SKIP() << "tracing is not possible here";
      end = *ended;
      ASSERT_NE(end, test::traced_end::failed);
      // The next run finds the new one in its place, or all of it to go on with and the old one.
      auto again = unfinished_directory::open(to_, "state", true);
      ASSERT_TRUE(succeeds(again));
      if (!fs::exists(again->path() / "a")) {
        ASSERT_EQ(test::read_tree(to_), new_files_);
        continue;
      }
      ASSERT_EQ(without_state(test::read_tree(again->path())), new_files_);
      if (has_old) {
        ASSERT_EQ(test::read_tree(to_), old_files_);
      }
      ASSERT_TRUE(succeeds(again->finish()));
      ASSERT_EQ(test::read_tree(dir_.path()).size(), new_files_.size()) << "something is left over";
      ASSERT_EQ(test::read_tree(to_), new_files_);
    }
    EXPECT_GT(n, 3u);
  }
}

INSTANTIATE_TEST_SUITE_P(FileSystems, KilledFinish, testing::Bool(), [](const auto& i) {
  return i.param ? "ThatExchangeNames" : "ThatCannotExchangeNames";
});

} // namespace
} // namespace larql
