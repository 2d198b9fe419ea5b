// Mirrors cli/laptop/chat/context_room.hpp.

#include "cli/laptop/chat/context_room.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

// Ten turns of 100 tokens behind a system message of 20, then a question.
prompt_size ten_turns(std::size_t context) {
  auto out = prompt_size{1050, context, 20, {}};
  for (auto i = std::size_t{0}; i < 10; ++i) {
    out.message_ends.push_back(20 + 100 * i + 40);
    out.message_ends.push_back(20 + 100 * i + 100);
  }
  out.message_ends.push_back(1040);
  return out;
}

TEST(ContextRoom, NothingIsLeftOutWhileAnAnswerHasRoom) {
  EXPECT_EQ(turns_to_leave_out(ten_turns(1400), 4096, 10), 0u); // a quarter is 350
  EXPECT_EQ(turns_to_leave_out(ten_turns(1060), 10, 10), 0u);   // it may have ten tokens only
}

TEST(ContextRoom, TheOldestTurnsGoUntilHalfOfTheContextIsFree) {
  // 1050 of 1200, and 300 are wanted: 600 may stay, and 1050 - 5 * 100 is the first below.
  EXPECT_EQ(turns_to_leave_out(ten_turns(1200), 4096, 10), 5u);
}

TEST(ContextRoom, TheLastQuestionStaysWhateverItsLength) {
  auto size = ten_turns(100);
  EXPECT_EQ(turns_to_leave_out(size, 4096, 10), 10u);
  size.message_ends.resize(1);
  EXPECT_EQ(turns_to_leave_out(size, 4096, 10), 0u);
}

TEST(ContextRoom, AQuestionThatDoesNotFitByItselfCostsNoTurn) {
  EXPECT_EQ(turns_to_leave_out(ten_turns(50), 4096, 10), 0u); // 50 tokens without the turns
  EXPECT_EQ(turns_to_leave_out(ten_turns(51), 4096, 10), 10u);
  EXPECT_EQ(turns_to_leave_out(ten_turns(100), 4096, 3), 0u);
}

} // namespace
} // namespace larql::cli
