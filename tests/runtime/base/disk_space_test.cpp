// Mirrors runtime/base/disk_space.hpp.

#include "runtime/base/disk_space.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

using test::fails;
using test::succeeds;

TEST(DiskSpace, IsThatOfTheNearestParentThatExists) {
  const auto dir = test::temporary_directory{};
  const auto here = free_space_bytes(dir.path());
  ASSERT_TRUE(succeeds(here));
  EXPECT_GT(*here, 0u);
  EXPECT_TRUE(succeeds(free_space_bytes(dir / "not/there/yet")));
  EXPECT_TRUE(succeeds(free_space_bytes("not-there")));
}

TEST(DiskSpace, TooLittleIsSaidWithBothNumbers) {
  const auto dir = test::temporary_directory{};
  EXPECT_TRUE(succeeds(check_free_space(dir.path(), 0)));
  EXPECT_TRUE(fails(check_free_space(dir / "x", 5'000'000'000'000'000'000u), errc::io,
                    {(dir / "x").string(), "needs 5.00 EB", "GB free"}));
  EXPECT_TRUE(succeeds(check_free_space(dir.path(), 0, 1)));
  EXPECT_TRUE(fails(check_free_space(dir / "x", 1, 5'000'000'000'000'000'000u), errc::io,
                    {"needs 1 B for its files and 5.00 EB to spare", "GB free"}));
}

} // namespace
} // namespace larql
