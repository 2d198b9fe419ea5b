// Mirrors runtime/base/json.hpp: what is refused, and how; its accessors are tested by the formats
// that use them.

#include "runtime/base/json.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/json_text.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

using test::fails;

TEST(Json, OrderedObjectsKeepTheirOrder) {
  const auto parsed = parse_ordered_json(R"({"b":1,"a":{"z":2,"y":3}})", "text");
  ASSERT_TRUE(parsed) << parsed.error().text;
  EXPECT_EQ(parsed->dump(), R"({"b":1,"a":{"z":2,"y":3}})");
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_TRUE(parse_json(nested(60), "text"));
  EXPECT_TRUE(fails(parse_json(nested(100'000), "text"), errc::corrupt, {"text", "nested deeper"}));
  EXPECT_TRUE(fails(parse_ordered_json(nested(100), "text"), errc::corrupt, {"nested deeper"}));
}

TEST(Json, OrderedObjectsHaveALimitOfFieldsEach) {
  const auto object = [](int fields) {
    auto out = std::string{"{"};
    for (auto i = 0; i < fields; ++i)
      out += fmt::format("{}\"f{}\":{{\"x\":1}}", i > 0 ? "," : "", i);
    return out + "}";
  };
  EXPECT_TRUE(parse_ordered_json("[" + object(4000) + "," + object(4000) + "]", "text"));
  EXPECT_TRUE(fails(parse_ordered_json(object(6000), "text"), errc::corrupt, {"5000 fields"}));
  EXPECT_TRUE(parse_json(object(6000), "text"));
}

TEST(Json, DamageIsNamedWithoutTheLibrarysWordsForIt) {
  const auto damaged = parse_json("{\"a\": ", "x.json");
  EXPECT_TRUE(fails(damaged, errc::corrupt, {"x.json: not valid JSON: parse error at line 1"}));
  EXPECT_EQ(damaged.error().text.find("json.exception"), std::string::npos) << damaged.error().text;
}

} // namespace
} // namespace larql
