// Mirrors cli/laptop/chat/conversation.hpp.

#include "cli/laptop/chat/conversation.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

conversation of_turns(int turns) {
  auto out = conversation{"Be brief."};
  for (auto i = 1; i <= turns; ++i) {
    out.ask("q" + std::to_string(i));
    out.answer("a" + std::to_string(i), "", false);
  }
  return out;
}
std::string text_of(const conversation& c) {
  auto out = std::string{};
  for (const auto& m : c.to_read())
    out += m.content + "|";
  return out;
}

TEST(Conversation, TheModelReadsTheSystemMessageAndAllTurns) {
  EXPECT_EQ(text_of(of_turns(2)), "Be brief.|q1|a1|q2|a2|");
}

TEST(Conversation, AQuestionThatWasNotAnsweredGivesWayToTheNext) {
  auto c = of_turns(1);
  c.ask("lost");
  c.answer("", "", true); // stopped before anything came
  c.ask("q2");
  EXPECT_EQ(text_of(c), "Be brief.|q1|a1|q2|");
}

TEST(Conversation, RetryKeepsTheQuestionAndUndoGivesItBack) {
  auto c = of_turns(2);
  EXPECT_TRUE(c.retry());
  EXPECT_EQ(text_of(c), "Be brief.|q1|a1|q2|");
  EXPECT_TRUE(c.retry()); // once more, after a failure
  EXPECT_EQ(c.undo(), "q2");
  EXPECT_EQ(c.undo(), "q1");
  EXPECT_EQ(c.undo(), std::nullopt);
  EXPECT_FALSE(c.retry());
  EXPECT_EQ(text_of(c), "Be brief.|");
}

TEST(Conversation, OnlyAnAnswerThatWasCutGoesOn) {
  auto c = of_turns(1);
  EXPECT_FALSE(c.can_go_on());
  c.ask("q2");
  EXPECT_FALSE(c.can_go_on());
  c.answer("half an", "thou", true);
  EXPECT_TRUE(c.can_go_on());
  c.go_on(" answer", "ght", false);
  EXPECT_FALSE(c.can_go_on());
  EXPECT_EQ(c.turns().back().content, "half an answer");
  EXPECT_EQ(c.turns().back().reasoning, "thought");
}

TEST(Conversation, TheOldestTurnsAreLeftOutAndTheLastStays) {
  auto c = of_turns(3);
  EXPECT_EQ(c.removable_turns(), 2u);
  c.ask("q4");
  EXPECT_EQ(c.removable_turns(), 3u);
  c.leave_out(2);
  EXPECT_EQ(text_of(c), "Be brief.|q3|a3|q4|");
  EXPECT_EQ(c.removable_turns(), 1u);
  EXPECT_EQ(c.turns().size(), 7u) << "they are kept for whoever saves the conversation";
}

TEST(Conversation, WhatIsTakenBackIsNoLongerLeftOut) {
  auto c = of_turns(2);
  c.leave_out(1);
  (void) c.undo();
  EXPECT_TRUE(c.retry());
  EXPECT_EQ(text_of(c), "Be brief.|q1|");
  (void) c.undo();
  EXPECT_EQ(c.left_out(), 0u);
  c.ask("new");
  EXPECT_EQ(text_of(c), "Be brief.|new|");
}

TEST(Conversation, ClearKeepsTheSystemMessageAndBeginChangesIt) {
  auto c = of_turns(2);
  c.clear();
  EXPECT_EQ(text_of(c), "Be brief.|");
  c.begin("");
  EXPECT_EQ(text_of(c), "");
}

} // namespace
} // namespace larql::cli
