// Mirrors cli/laptop/prompt_progress.hpp.

#include "cli/laptop/prompt_progress.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;

TEST(PromptProgress, IsSaidNowAndThenAndNotAtTheEnd) {
  const auto begin = prompt_progress::clock::time_point{};
  auto p = prompt_progress{7513, begin};
  EXPECT_EQ(p.text(256, begin + 1s), std::nullopt); // a prompt that is read soon
  EXPECT_EQ(p.text(512, begin + 6s), "reading the prompt: 512 of 7513 tokens");
  EXPECT_EQ(p.text(768, begin + 9s), std::nullopt);
  EXPECT_EQ(p.text(1024, begin + 12s), "reading the prompt: 1024 of 7513 tokens");
  EXPECT_EQ(p.text(7513, begin + 60s), std::nullopt);
}

} // namespace
} // namespace larql::cli
