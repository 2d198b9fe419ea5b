// Mirrors cli/laptop/report.hpp.

#include "cli/laptop/report.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;

TEST(Report, ASpeedIsThatOfTheTokensBehindTheFirst) {
  auto s = generate::answer_stats{};
  EXPECT_EQ(speed_text(s), "0 tokens");
  s.tokens = 1;
  EXPECT_EQ(speed_text(s), "1 token");
  s.tokens = 3;
  s.token_times = {50ms, 50ms};
  EXPECT_EQ(speed_text(s), "3 tokens, 20.0 tokens/s");
  s.speculation.steps = 2;
  s.speculation.drafted = 7;
  s.speculation.accepted = 3;
  EXPECT_EQ(speed_text(s), "3 tokens, 20.0 tokens/s, 2.50 per pass");
}

} // namespace
} // namespace larql::cli
