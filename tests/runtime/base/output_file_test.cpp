// Mirrors runtime/base/output_file.hpp.

#include "runtime/base/output_file.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <unistd.h>

namespace larql {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class OutputFile : public testing::Test {
protected:
  test::temporary_directory dir_;
  fs::path to_ = dir_ / "to";
};

TEST_F(OutputFile, AFileAppearsWhenItIsComplete) {
  auto out = output_file::open(to_, false);
  ASSERT_TRUE(succeeds(out));
  ASSERT_TRUE(succeeds(out->write(std::as_bytes(std::span{std::string_view{"abc"}}))));
  EXPECT_FALSE(fs::exists(to_));
  ASSERT_TRUE(succeeds(out->commit()));
  EXPECT_EQ(test::read_tree(dir_.path()), (std::map<std::string, std::string>{{"to", "abc"}}));
}

TEST_F(OutputFile, AnExistingFileIsReplacedOnlyIfAllowed) {
  test::write_file(to_, "old");
  EXPECT_TRUE(fails(check_output(to_, false), errc::usage, {to_.string(), "--force"}));
  EXPECT_TRUE(fails(write_output(to_, "new", false), errc::usage, {to_.string(), "--force"}));
  EXPECT_EQ(test::read_file(to_), "old");
  ASSERT_TRUE(succeeds(write_output(to_, "new", true)));
  EXPECT_EQ(test::read_file(to_), "new");
}

TEST_F(OutputFile, LinksAreFollowedAndStay) {
  fs::create_directory(dir_ / "sub");
  fs::create_symlink("sub/real", to_);
  ASSERT_TRUE(succeeds(write_output(to_, "one", false)));
  EXPECT_EQ(test::read_file(dir_ / "sub/real"), "one");
  EXPECT_TRUE(fails(write_output(to_, "two", false), errc::usage, {"--force"}));
  ASSERT_TRUE(succeeds(write_output(to_, "two", true)));
  EXPECT_TRUE(fs::is_symlink(to_));
  EXPECT_EQ(test::read_file(dir_ / "sub/real"), "two");
}

TEST_F(OutputFile, ALoopOfLinksIsAnError) {
  fs::create_symlink("to", to_);
  EXPECT_TRUE(fails(write_output(to_, "x", true), errc::usage, {"links"}));
}

TEST_F(OutputFile, APipeIsWrittenTo) {
  ASSERT_EQ(::mkfifo(to_.c_str(), 0600), 0);
  auto got = std::string{};
  auto reader = std::thread{[&] { got = test::read_file(to_); }};
  EXPECT_TRUE(succeeds(write_output(to_, "abc", false)));
  reader.join();
  EXPECT_EQ(got, "abc");
  EXPECT_TRUE(fs::is_fifo(to_));
}

TEST_F(OutputFile, ADeviceIsWrittenToAndNeverReplaced) {
  // A null device of the test's own.
  if (::mknod(to_.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0)
    GTEST_SKIP() << "devices cannot be made here";
  if (const auto fd = ::open(to_.c_str(), O_WRONLY | O_CLOEXEC); fd < 0)
    GTEST_SKIP() << "devices cannot be used here";
  else
    ::close(fd);
  for (const auto replace : {false, true}) {
    EXPECT_TRUE(succeeds(write_output(to_, "abc", replace)));
    EXPECT_TRUE(fs::is_character_file(to_));
  }
}

TEST_F(OutputFile, AFullDeviceIsAnError) {
  if (::mknod(to_.c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0)
    GTEST_SKIP() << "devices cannot be made here";
  if (const auto fd = ::open(to_.c_str(), O_WRONLY | O_CLOEXEC); fd < 0)
    GTEST_SKIP() << "devices cannot be used here";
  else
    ::close(fd);
  EXPECT_TRUE(
      fails(write_output(to_, "abc", false), errc::io, {to_.string(), "No space left on device"}));
}

TEST_F(OutputFile, ADirectoryIsAnErrorAndSoIsAnEmptyName) {
  fs::create_directory(to_);
  EXPECT_TRUE(fails(write_output(to_, "x", true), errc::usage, {to_.string(), "a directory"}));
  EXPECT_TRUE(fails(write_output("", "x", true), errc::usage, {"empty name"}));
}

TEST_F(OutputFile, AFileThatIsOpenIsWrittenToUnderTheNameOfItsDescriptor) {
  const auto fd = ::open(to_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "one ", 4), 4);
  EXPECT_TRUE(succeeds(write_output(fmt::format("/proc/self/fd/{}", fd), "two", false)));
  EXPECT_EQ(test::read_file(to_), "one two");
  struct stat open {
  }, named{};
  EXPECT_EQ(::fstat(fd, &open), 0);
  EXPECT_EQ(::stat(to_.c_str(), &named), 0);
  EXPECT_EQ(open.st_ino, named.st_ino) << "it was replaced";
  ::close(fd);
}

TEST_F(OutputFile, ASecretIsForItsOwnerOnly) {
  ASSERT_TRUE(succeeds(write_output(to_, "x", false, file_access::owner_only)));
  EXPECT_EQ(fs::status(to_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

} // namespace
} // namespace larql
