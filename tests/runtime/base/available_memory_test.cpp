// Mirrors runtime/base/available_memory.hpp, with files in the place of the kernel's.

#include "runtime/base/available_memory.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

class AvailableMemory : public testing::Test {
protected:
  void put(const char* path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    test::write_file(root_ / path, text);
  }
  [[nodiscard]] std::optional<std::uint64_t> found() const {
    return available_memory(root_.path());
  }

  test::temporary_directory root_;
};

TEST_F(AvailableMemory, IsThatOfTheMachineWithoutAControlGroup) {
  EXPECT_FALSE(found());
  put("proc/meminfo", "MemTotal:  16000 kB\nMemAvailable:  8000 kB\nSwapFree: 1 kB\n");
  EXPECT_EQ(found(), 8'192'000u);
}

TEST_F(AvailableMemory, IsThatOfTheTightestControlGroup) {
  put("proc/meminfo", "MemAvailable:  8000 kB\n");
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("sys/fs/cgroup/outer/memory.max", "5000000\n");
  put("sys/fs/cgroup/outer/memory.current", "3000000\n");
  put("sys/fs/cgroup/outer/memory.stat", "anon 1000000\nfile 2000000\n");
  put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(found(), 4'000'000u) << "page cache can be dropped";
}

TEST_F(AvailableMemory, IsKnownHere) {
  EXPECT_GT(available_memory().value_or(0), 0u);
}

} // namespace
} // namespace larql
