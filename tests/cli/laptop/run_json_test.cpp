// Mirrors cli/laptop/run_json.hpp.

#include "cli/laptop/run_json.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace larql::cli {
namespace {

TEST(RunJson, IsOneLineWithTextThoughtsAndNumbers) {
  auto a = run_answer{};
  a.model = "gemma4";
  a.text = "Paris\n\xff";
  a.reason = generate::end_reason::max_tokens;
  a.numbers.tokens = 3;
  a.numbers.prompt_tokens = 12;
  a.to_first_token = std::chrono::milliseconds{250};
  const auto line = run_json(a);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto all = nlohmann::json::parse(line);
  EXPECT_EQ(all["text"], "Paris\n\xef\xbf\xbd");
  EXPECT_EQ(all["finish_reason"], "max_tokens");
  EXPECT_EQ(all["tokens"], 3);
  EXPECT_EQ(all["prompt_tokens"], 12);
  EXPECT_EQ(all["timings"]["first_token_ms"], 250);
  EXPECT_EQ(all["moe_dispatch"], "streaming");
  EXPECT_FALSE(all.contains("thoughts"));
  a.thoughts = "Hm.";
  EXPECT_EQ(nlohmann::json::parse(run_json(a))["thoughts"], "Hm.");
}

} // namespace
} // namespace larql::cli
