// Mirrors runtime/base/parse_number.hpp.

#include "runtime/base/parse_number.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace larql {
namespace {

TEST(ParseNumber, ReadsAWholeTextThatIsANumber) {
  EXPECT_EQ(parse_number<std::uint32_t>("0"), 0u);
  EXPECT_EQ(parse_number<std::uint32_t>("0042"), 42u);
  EXPECT_EQ(parse_number<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_number<int>("-7"), -7);
}

TEST(ParseNumber, AnythingElseIsNone) {
  for (const auto* text : {"", " 1", "1 ", "+1", "1.0", "0x10", "one", "-1", "4294967296"})
    EXPECT_EQ(parse_number<std::uint32_t>(text), std::nullopt) << text;
  EXPECT_EQ(parse_number<std::uint16_t>("65536"), std::nullopt);
}

} // namespace
} // namespace larql
