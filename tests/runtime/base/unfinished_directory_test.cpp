// Mirrors runtime/base/unfinished_directory.hpp.

#include "runtime/base/unfinished_directory.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/traced_child.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace larql {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class UnfinishedDirectory : public testing::Test {
protected:
  // Things are made of files with names of one letter, "old", "new" and those below "more/"; one
  // without "bad" is a thing.
  [[nodiscard]] output_rules rules(bool replace) const {
    auto out = output_rules{};
    out.replace = replace;
    out.kind = "thing";
    out.sources = sources_;
    out.is_known = [](std::string_view name) {
      return name.size() == 1 || name == "old" || name == "new" || name == "bad" ||
             name.starts_with("more/");
    };
    out.check_kind = [](const fs::path& dir) -> result<void> {
      if (fs::exists(dir / "bad"))
        return fail(errc::corrupt, "it is bad");
      return {};
    };
    return out;
  }
  [[nodiscard]] result<unfinished_directory> open(std::string_view state, bool replace) const {
    return unfinished_directory::open(to_, state, rules(replace));
  }

  std::vector<fs::path> sources_;
  test::temporary_directory dir_;
  fs::path to_ = dir_ / "to";
};

TEST_F(UnfinishedDirectory, GetsItsNameAtTheEndWithoutTheState) {
  auto d = open("state", false);
  ASSERT_TRUE(succeeds(d));
  test::write_file(d->path() / "a", "1");
  EXPECT_FALSE(fs::exists(to_));
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_EQ(test::read_tree(to_), (test::file_tree{{"a", "1"}}));
  EXPECT_FALSE(fs::exists(d->path()));
}

TEST_F(UnfinishedDirectory, IsContinuedOnlyWithTheSameState) {
  test::write_file(open("one", false)->path() / "a", "1");
  EXPECT_TRUE(fs::exists(open("one", false)->path() / "a"));
  EXPECT_TRUE(fails(open("two", false), errc::usage,
                    {(dir_ / "to.partial").string(), "another source", "--force"}));
  EXPECT_TRUE(fs::exists(dir_ / "to.partial/a"));
  EXPECT_FALSE(fs::exists(open("two", true)->path() / "a"));
}

TEST_F(UnfinishedDirectory, OneInWhichNothingWasMadeIsNoLoss) {
  { ASSERT_TRUE(succeeds(open("one", false))); }
  ASSERT_TRUE(succeeds(open("two", false)));
}

TEST_F(UnfinishedDirectory, AFailureLeavesWhatWasMadeAndNothingElse) {
  auto d = open("s", false);
  EXPECT_TRUE(fails(d->finish(fail(errc::io, "no room")), errc::io, {"no room"}));
  EXPECT_FALSE(fs::exists(d->path()));
  d = open("s", false);
  test::write_file(d->path() / "a", "1");
  EXPECT_TRUE(fails(d->finish(fail(errc::io, "no room")), errc::io, {"no room"}));
  EXPECT_TRUE(fs::exists(d->path() / "a"));
  EXPECT_FALSE(fs::exists(to_));
}

TEST_F(UnfinishedDirectory, ReplacesAnotherOnlyIfAllowed) {
  test::write_file(to_ / "old", "1");
  EXPECT_TRUE(fails(open("s", false), errc::usage, {to_.string(), "--force"}));
  auto d = open("s", true);
  ASSERT_TRUE(succeeds(d));
  EXPECT_TRUE(fs::exists(to_ / "old")); // until the new one is finished
  test::write_file(d->path() / "new", "2");
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_EQ(test::read_tree(to_), (test::file_tree{{"new", "2"}}));
}

TEST_F(UnfinishedDirectory, DoesNotReplaceWhatAppearedMeanwhile) {
  auto d = open("s", false);
  test::write_file(to_ / "other", "1");
  EXPECT_TRUE(fails(d->finish(), errc::usage, {to_.string(), "other"}));
  EXPECT_EQ(test::read_file(to_ / "other"), "1");
}

TEST_F(UnfinishedDirectory, ReplacesNothingButItsOwnKind) {
  // Each makes something at the destination, or beside it, that must stay; and what the error says.
  struct given {
    const char* name;
    std::function<void()> make;
    fs::path stays;
    std::vector<std::string> says;
  };
  const auto partial = dir_ / "to.partial";
  const auto cases = std::vector<given>{
      {"a file of somebody else",
       [&] { test::write_file(to_ / "thesis.txt", "x"); },
       to_ / "thesis.txt",
       {to_.string(), "thesis.txt"}},
      {"one further down",
       [&] { test::write_file(to_ / "letters/mum.txt", "x"); },
       to_ / "letters/mum.txt",
       {to_.string(), "letters/"}},
      {"a directory that is no thing",
       [&] { test::write_file(to_ / "bad", "x"); },
       to_ / "bad",
       {to_.string(), "is no thing (it is bad)"}},
      {"a file", [&] { test::write_file(to_, "x"); }, to_, {to_.string(), "is a file"}},
      {"a partial directory of somebody else",
       [&] { test::write_file(partial / "mine.txt", "x"); },
       partial / "mine.txt",
       {partial.string(), "no unfinished thing"}},
      {"a partial directory with known names only",
       [&] { test::write_file(partial / "a", "x"); },
       partial / "a",
       {partial.string(), "no unfinished thing"}},
      {"an unfinished one with a file of somebody else",
       [&] {
         ASSERT_TRUE(succeeds(open("other", true)));
         test::write_file(partial / "mine.txt", "x");
       },
       partial / "mine.txt",
       {partial.string(), "mine.txt"}},
      {"a file that is called like the partial directory",
       [&] { test::write_file(partial, "x"); },
       partial,
       {partial.string(), "in the way"}},
      {"the source",
       [&] {
         test::write_file(to_ / "a", "x");
         sources_ = {to_};
       },
       to_ / "a",
       {to_.string(), "is the source"}},
      {"what holds the source",
       [&] {
         test::write_file(to_ / "more/a", "x");
         sources_ = {to_ / "more/a"};
       },
       to_ / "more/a",
       {to_.string(), "holds the source"}},
      {"a link to the source",
       [&] {
         test::write_file(dir_ / "from/a", "x");
         sources_ = {dir_ / "from"};
         fs::create_directory_symlink("from", to_);
       },
       dir_ / "from/a",
       {(dir_ / "from").string(), "is the source"}},
      {"what the source's links lead to",
       [&] {
         test::write_file(to_ / "a", "x");
         fs::create_directory(dir_ / "links");
         fs::create_symlink(to_ / "a", dir_ / "links/a");
         sources_ = {dir_ / "links"};
       },
       to_ / "a",
       {to_.string(), "holds the source"}},
      {"an unfinished one that is the source",
       [&] {
         ASSERT_TRUE(succeeds(open("s", true)));
         test::write_file(partial / "a", "x");
         sources_ = {partial};
       },
       partial / "a",
       {partial.string(), "is the source"}},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    for (const auto& left : fs::directory_iterator{dir_.path()})
      fs::remove_all(left.path());
    sources_.clear();
    c.make();
    for (const auto replace : {false, true}) {
      const auto refused = open("s", replace);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, errc::usage);
      for (const auto& part : c.says)
        EXPECT_NE(refused.error().text.find(part), std::string::npos)
            << part << " is not in: " << refused.error().text;
      EXPECT_TRUE(fails(check_destination(to_, rules(replace)), errc::usage, {}));
      EXPECT_TRUE(fs::exists(c.stays));
    }
  }
}

TEST_F(UnfinishedDirectory, TheWorkingDirectoryIsNeverReplaced) {
  test::write_file(to_ / "more/a", "x");
  const auto before = fs::current_path();
  for (const auto& [working, output, says] :
       {std::tuple{to_, fs::path{"."}, "is the working directory"},
        std::tuple{to_, to_, "is the working directory"},
        std::tuple{to_ / "more", fs::path{".."}, "holds the working directory"},
        std::tuple{to_ / "more", to_, "holds the working directory"}}) {
    fs::current_path(working);
    EXPECT_TRUE(fails(unfinished_directory::open(output, "s", rules(true)), errc::usage, {says}));
  }
  fs::current_path(before);
  EXPECT_TRUE(fs::exists(to_ / "more/a"));
}

TEST_F(UnfinishedDirectory, AMountPointIsNeverReplaced) {
  EXPECT_TRUE(fails(check_removable("/proc", rules(true)), errc::usage, {"/proc", "mount point"}));
}

TEST_F(UnfinishedDirectory, AnEmptyNameIsNoDestination) {
  EXPECT_TRUE(fails(unfinished_directory::open("", "s", rules(true)), errc::usage, {"empty name"}));
}

TEST_F(UnfinishedDirectory, LinksAreFollowed) {
  fs::create_directory_symlink("real", to_); // which is not there yet
  auto d = open("s", false);
  ASSERT_TRUE(succeeds(d));
  test::write_file(d->path() / "a", "1");
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_TRUE(fs::is_symlink(to_));
  EXPECT_EQ(test::read_file(dir_ / "real/a"), "1");
  d = open("s", true);
  test::write_file(d->path() / "b", "2");
  ASSERT_TRUE(succeeds(d->finish()));
  EXPECT_TRUE(fs::is_symlink(to_));
  EXPECT_EQ(test::read_tree(dir_ / "real"), (std::map<std::string, std::string>{{"b", "2"}}));
}

TEST_F(UnfinishedDirectory, ASecondProcessIsToldWhoHasIt) {
  int ready[2], end[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(end), 0);
  const auto child = ::fork();
  if (child == 0) {
    const auto d = open("s", false);
    auto byte = d ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) != 1 || ::read(end[0], &byte, 1) < 0)
      ::_exit(1);
    ::_exit(0);
  }
  auto byte = 'n';
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  for (const auto* state : {"s", "other"})
    EXPECT_TRUE(fails(open(state, true), errc::unavailable,
                      {to_.string(), fmt::format("process {} ", child)}));
  EXPECT_EQ(::write(end[1], "x", 1), 1);
  auto status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(succeeds(open("s", false)));
  for (const auto fd : {ready[0], ready[1], end[0], end[1]})
    ::close(fd);
}

TEST_F(UnfinishedDirectory, AnUnfinishedOneThatSomebodyRenamedIsNotTakenForFinished) {
  test::write_file(open("s", false)->path() / "a", "1");
  fs::rename(dir_ / "to.partial", to_);
  EXPECT_TRUE(fails(open("s", false), errc::usage, {"exists already"}));
  EXPECT_TRUE(fs::exists(to_ / ".unfinished.json"));
}

TEST_F(UnfinishedDirectory, ATrailingSlashIsTheSameDirectory) {
  auto d = unfinished_directory::open(to_ / "", "s", rules(false));
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
    auto d = open("state", has_old);
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
    auto d = open("state", has_old);
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
      auto again = open("state", true);
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

TEST_P(KilledFinish, NeighboursWithSimilarNamesStay) {
  const auto neighbours = {dir_ / "to.replaced/mine", dir_ / ".to.old/mine", dir_ / "to.old/mine"};
  for (auto n = 0u; n < 60; n += 3) {
    reset(true);
    for (const auto& file : neighbours)
      test::write_file(file, "x");
    const auto end = finish_until(n, true);
    if (!end)
      GTEST_SKIP() << "tracing is not possible here";
    auto again = open("state", true);
    ASSERT_TRUE(succeeds(again));
    for (const auto& file : neighbours)
      EXPECT_TRUE(fs::exists(file)) << file;
    if (*end == test::traced_end::succeeded)
      break;
  }
}

INSTANTIATE_TEST_SUITE_P(FileSystems, KilledFinish, testing::Bool(), [](const auto& i) {
  return i.param ? "ThatExchangeNames" : "ThatCannotExchangeNames";
});

} // namespace
} // namespace larql
