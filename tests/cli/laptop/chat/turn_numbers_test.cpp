// Mirrors cli/laptop/chat/turn_numbers.hpp.

#include "cli/laptop/chat/turn_numbers.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

using generate::end_reason;
using namespace std::chrono_literals;

TEST(TurnNumbers, AnAnswerOfThisMachineHasTokensAndSpeed) {
  auto n = turn_numbers{};
  n.tokens = 12;
  n.tokens_per_second = 9.44;
  EXPECT_EQ(timing_text(n), "12 tokens, 9.4 tokens/s");
  n.tokens = 1;
  n.tokens_per_second = 0;
  EXPECT_EQ(timing_text(n), "1 token");
}

TEST(TurnNumbers, NodesAddRoundTripsAndBytes) {
  auto n = turn_numbers{};
  n.tokens = 12;
  n.tokens_per_second = 9.44;
  n.nodes = 2;
  n.round_trips = 360;
  n.sent_bytes = 1'200'000;
  n.received_bytes = 800'000;
  EXPECT_EQ(timing_text(n), "12 tokens, 9.4 tokens/s, 2 nodes, 360 round trips, 1.20 MB sent, "
                            "800.0 kB received");
}

TEST(TurnNumbers, DraftsAreNamedWhereThereWereAny) {
  auto n = turn_numbers{};
  n.tokens = 12;
  n.drafts = draft_numbers{9, 7};
  EXPECT_EQ(timing_text(n), "12 tokens, 7 of 9 drafts accepted");
  n.drafts = draft_numbers{};
  EXPECT_EQ(timing_text(n), "12 tokens");
}

TEST(TurnNumbers, AreTakenFromAnAnswersStatistics) {
  auto s = generate::answer_stats{};
  s.tokens = 3;
  s.token_times = {100ms, 100ms};
  s.prompt_tokens = 7;
  s.prefill = 500ms;
  const auto n = numbers_of(s, 40, 2);
  EXPECT_DOUBLE_EQ(n.tokens_per_second, 10);
  EXPECT_DOUBLE_EQ(n.read_seconds, 0.5);
  EXPECT_EQ(n.prompt_tokens, 40u);
  EXPECT_EQ(n.read_tokens, 7u);
  EXPECT_EQ(n.nodes, 2u);
  EXPECT_FALSE(n.drafts.has_value());
  s.speculation.drafted = 9;
  s.speculation.accepted = 7;
  EXPECT_EQ(timing_text(numbers_of(s, 40, 0)), "3 tokens, 10.0 tokens/s, 7 of 9 drafts accepted");
}

TEST(TurnNumbers, AnAnswerThatWasCutSaysWhyAndHowToGoOn) {
  for (const auto reason :
       {end_reason::max_tokens, end_reason::context_full, end_reason::stopped}) {
    EXPECT_TRUE(is_cut(reason));
    EXPECT_NE(cut_text(reason, 10, 64).find("/continue"), std::string::npos);
  }
  for (const auto reason : {end_reason::stop_token, end_reason::stop_text, end_reason::none}) {
    EXPECT_FALSE(is_cut(reason));
    EXPECT_EQ(cut_text(reason, 10, 64), "");
  }
  EXPECT_NE(cut_text(end_reason::context_full, 10, 64).find("64"), std::string::npos);
}

} // namespace
} // namespace larql::cli
