// Mirrors cli/laptop/dispatch_flags.hpp; the options together with others are in
// tests/e2e/approximate_dispatch_test.cpp.

#include "cli/laptop/dispatch_flags.hpp"

#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

TEST(DispatchFlags, StreamingIsTheDefaultAndTakesNoIterations) {
  auto flags = dispatch_flags{};
  EXPECT_TRUE(test::succeeds(check(flags)));
  EXPECT_FALSE(flags.is_approximate());
  EXPECT_EQ(predispatch_of(flags, 30), 0u);
  flags.iterations = 2;
  EXPECT_TRUE(test::fails(check(flags), errc::usage, {"--moe-predispatch-iters", "batch"}));
}

TEST(DispatchFlags, ABatchIsAskedOnceUnlessToldOtherwiseAndNeverMoreOftenThanThereAreLayers) {
  auto flags = dispatch_flags{"batch", std::nullopt};
  EXPECT_EQ(predispatch_of(flags, 30), 1u);
  flags.iterations = 4;
  EXPECT_EQ(predispatch_of(flags, 30), 4u);
  flags.iterations = 100;
  EXPECT_EQ(predispatch_of(flags, 30), 30u);
}

TEST(DispatchFlags, TheNoticeSaysWhetherAnswersAreExactAndWhatATokenTakes) {
  const auto once = dispatch_notice(1, 30);
  EXPECT_NE(once.find("answers are approximate; 1 round trip per token instead of 30"),
            std::string::npos)
      << once;
  EXPECT_NE(dispatch_notice(2, 30).find("2 round trips per token"), std::string::npos);
  const auto all = dispatch_notice(30, 30);
  EXPECT_NE(all.find("answers are exact"), std::string::npos) << all;
  EXPECT_EQ(all.find("approximate"), std::string::npos) << all;
}

} // namespace
} // namespace larql::cli
