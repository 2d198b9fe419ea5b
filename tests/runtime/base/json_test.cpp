// Mirrors runtime/base/json.hpp; its accessors are tested by the formats that use them.

#include "runtime/base/json.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/json_text.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

TEST(Json, DamageIsNamedWithoutTheLibrarysWordsForIt) {
  const auto damaged = parse_json("{\"a\": ", "x.json");
  EXPECT_TRUE(
      test::fails(damaged, errc::corrupt, {"x.json: not valid JSON: parse error at line 1"}));
  EXPECT_EQ(damaged.error().text.find("json.exception"), std::string::npos) << damaged.error().text;
}

} // namespace
} // namespace larql
