// Mirrors cli/support/parse_bytes.hpp.

#include "cli/support/parse_bytes.hpp"

#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using test::fails;
using test::succeeds;

TEST(ParseBytes, TakesDecimalUnits) {
  for (const auto& [text, bytes] :
       {std::pair{"0", 0ull}, std::pair{"1000000", 1000000ull}, std::pair{"5B", 5ull},
        std::pair{"3kB", 3000ull}, std::pair{"500MB", 500000000ull},
        std::pair{"6GB", 6000000000ull}, std::pair{"2TB", 2000000000000ull}}) {
    const auto got = parse_bytes(text, "--available-ram");
    ASSERT_TRUE(succeeds(got)) << text;
    EXPECT_EQ(*got, bytes) << text;
  }
}

TEST(ParseBytes, RefusesEverythingElseByName) {
  for (const auto* text : {"", "GB", "6 GB", "6gb", "-1", "1.5GB", "0x10", "6GiB",
                           "18446744073709551616", "99999999999TB"})
    EXPECT_TRUE(fails(parse_bytes(text, "--available-ram"), errc::usage, {"--available-ram"}))
        << text;
}

} // namespace
} // namespace larql::cli
