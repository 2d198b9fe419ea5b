// Mirrors runtime/base/mapped_file.hpp: which pages are in memory. Reading and errors are tested
// where files are read.

#include "runtime/base/mapped_file.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/page_cache.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace larql {
namespace {

constexpr std::size_t file_bytes = 16 << 20;
constexpr std::size_t around_a_touch = 4
                                       << 20; // what a fault may map with it: a huge page, and more

class ResidentBytes : public testing::Test {
protected:
  void SetUp() override { test::write_file(dir_ / "x", std::string(file_bytes, 'x')); }

  // 0 if all is as it should be, else the number of the step that went wrong.
  [[nodiscard]] int check() const {
    const auto in = file::open(dir_ / "x");
    if (!in)
      return 1;
    const auto map = in->map_all(access_pattern::random);
    if (!map)
      return 2;
    // All of the file is in the page cache, because it was just written.
    if (resident_bytes(map->bytes()) > around_a_touch)
      return 3;
    touch_pages(map->bytes().first(1));
    const auto one = resident_bytes(map->bytes());
    if (one == 0 || one > around_a_touch)
      return 4;
    if (!populate(map->bytes()) || resident_bytes(map->bytes()) != file_bytes)
      return 5;
    return 0;
  }

  test::temporary_directory dir_;
};

TEST_F(ResidentBytes, AreThoseThatWereRead) {
  EXPECT_EQ(check(), 0);
}

TEST_F(ResidentBytes, AreTheSameForAFileOfSomebodyElse) {
  // The kernel answers mincore() with "all" where the caller neither owns nor may write the file.
  if (::getuid() != 0)
    GTEST_SKIP() << "needs root, to become somebody else";
  std::filesystem::permissions(dir_.path(), std::filesystem::perms{0755});
  std::filesystem::permissions(dir_ / "x", std::filesystem::perms{0644});
  const auto child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0)
    // A program of another user may read its own page map; a child that changed its user may again.
    ::_exit(::setgid(65534) != 0 || ::setuid(65534) != 0 || ::prctl(PR_SET_DUMPABLE, 1) != 0
                ? 100
                : check());
  auto status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "step";
}

TEST(PathExists, ALinkThatLeadsNowhereIsNoAbsence) {
  const auto dir = test::temporary_directory{};
  std::filesystem::create_symlink("nowhere", dir / "link");
  std::filesystem::create_symlink("loop", dir / "loop");
  EXPECT_TRUE(test::fails(path_exists(dir / "link"), errc::not_found, {(dir / "link").string()}));
  EXPECT_TRUE(test::fails(path_exists(dir / "loop"), errc::io, {(dir / "loop").string()}));
  EXPECT_FALSE(*path_exists(dir / "none"));
}

TEST(TouchPages, ReachesTheLastPageFromAnUnalignedStart) {
  const auto dir = test::temporary_directory{};
  const auto page = test::page_bytes();
  test::write_file(dir / "x", std::string(600 * page, 'x'));
  const auto in = file::open(dir / "x");
  ASSERT_TRUE(test::succeeds(in));
  const auto map = in->map_all(access_pattern::random);
  ASSERT_TRUE(test::succeeds(map));
  // From the end of one page to the beginning of another: stepping by pages would end before it.
  const auto part = map->bytes().subspan(page - 1, 591 * page + 2);
  touch_pages(part);
  EXPECT_EQ(resident_bytes(part.last(1)), 1u);
  EXPECT_EQ(resident_bytes(part), part.size());
}

} // namespace
} // namespace larql
