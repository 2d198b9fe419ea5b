// Mirrors runtime/base/file_writer.hpp.

#include "runtime/base/file_writer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/traced_child.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sys/syscall.h>
#include <vector>

namespace larql {
namespace {

using test::fails;
using test::succeeds;

TEST(FileWriter, TheNameAppearsWithTheWholeContent) {
  const auto dir = test::temporary_directory{};
  auto out = file_writer::create(dir / "x");
  ASSERT_TRUE(succeeds(out));
  ASSERT_TRUE(succeeds(out->write(std::as_bytes(std::span{std::string_view{"abc"}}))));
  EXPECT_FALSE(std::filesystem::exists(dir / "x"));
  ASSERT_TRUE(succeeds(out->commit()));
  EXPECT_EQ(test::read_file(dir / "x"), "abc");
}

#if defined(SYS_rename)
constexpr long rename_call = SYS_rename;
#else // ARM
constexpr long rename_call = SYS_renameat;
#endif

TEST(FileWriter, TheDirectoryIsFlushedAfterTheRename) {
  // Without that, a loss of power may take the name away again.
  const auto dir = test::temporary_directory{};
  auto calls = std::vector<long>{};
  auto options = test::traced_options{};
  options.on_call = [&](long number) { calls.push_back(number); };
  const auto end = test::run_traced(
      [&] { return static_cast<bool>(write_text_file(dir / "x", "abc")); }, options);
  if (!end)
    GTEST_SKIP() << "tracing is not possible here";
  ASSERT_EQ(*end, test::traced_end::succeeded);
  const auto renamed = std::find(calls.begin(), calls.end(), rename_call);
  ASSERT_NE(renamed, calls.end());
  EXPECT_NE(std::find(calls.begin(), renamed, SYS_fsync), renamed) << "the file";
  EXPECT_NE(std::find(renamed, calls.end(), SYS_fsync), calls.end()) << "the directory";
}

TEST(FileWriter, TakesNoFileThatLiesBesideIt) {
  const auto dir = test::temporary_directory{};
  test::write_file(dir / "x.tmp", "mine");
  {
    auto out = file_writer::create(dir / "x");
    ASSERT_TRUE(succeeds(out));
    auto names = std::vector<std::string>{};
    for (const auto& e : std::filesystem::directory_iterator{dir.path()})
      if (e.path().filename() != "x.tmp")
        names.push_back(e.path().filename().string());
    ASSERT_EQ(names.size(), 1u);
    EXPECT_TRUE(is_temporary_name(names[0])) << names[0];
  }
  EXPECT_EQ(test::read_tree(dir.path()), (std::map<std::string, std::string>{{"x.tmp", "mine"}}))
      << "what was not committed goes, and nothing else";
}

TEST(FileWriter, OnlyItsOwnTemporaryFilesAreRemoved) {
  EXPECT_TRUE(is_temporary_name(".norms.bin.0123456789abcdef.tmp"));
  for (const auto* name : {"x.tmp", ".x.tmp", ".0123456789abcdef.tmp", "x.0123456789abcdef.tmp",
                           ".x.0123456789abcdeg.tmp", ".x.0123456789abcdef.txt"})
    EXPECT_FALSE(is_temporary_name(name)) << name;
  const auto dir = test::temporary_directory{};
  test::write_file(dir / "sub/.x.0123456789abcdef.tmp", "left over");
  test::write_file(dir / "sub/x.tmp", "mine");
  ASSERT_TRUE(succeeds(remove_temporary_files(dir.path())));
  EXPECT_EQ(test::read_tree(dir.path()),
            (std::map<std::string, std::string>{{"sub/x.tmp", "mine"}}));
}

TEST(FileWriter, KeepsAFileThatAppearedMeanwhileIfToldTo) {
  const auto dir = test::temporary_directory{};
  auto out = file_writer::create(dir / "x");
  ASSERT_TRUE(succeeds(out));
  test::write_file(dir / "x", "mine");
  EXPECT_TRUE(fails(out->commit(existing_file::keep), errc::usage, {"exists already"}));
  EXPECT_EQ(test::read_file(dir / "x"), "mine");
}

TEST(FileWriter, ADirectoryThatIsNotThereIsNamed) {
  EXPECT_TRUE(fails(sync_directory("/no/such/directory"), errc::io, {"/no/such/directory"}));
}

} // namespace
} // namespace larql
