// Mirrors cli/support/table.hpp.

#include "cli/support/table.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  auto t = table{{"NODE", "STATE"}};
  t.add({"alpha-one", "serving"});
  t.add({"b"});
  EXPECT_EQ(t.text(), "NODE       STATE\nalpha-one  serving\nb\n");
}

TEST(Table, ANameForgesNeitherRowsNorColours) {
  auto t = table{{"NODE", "STATE"}};
  t.add({"ev\x1b[31mil\nx\u009b\u202e", "down"});
  EXPECT_EQ(t.text(), "NODE           STATE\nev [31mil x    down\n");
}

} // namespace
} // namespace larql::cli
