// Mirrors runtime/text/agent_header.hpp.

#include "runtime/text/agent_header.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

TEST(AgentHeader, ABlockOfNothingElseIsEmpty) {
  EXPECT_EQ(without_agent_header(
                "x-anthropic-billing-header: cc_version=2.1.36.d1c; cc_entrypoint=cli; cch=5b4a1;"),
            "");
  EXPECT_EQ(without_agent_header("x-anthropic-billing-header:cch=1;\n"), "");
}

TEST(AgentHeader, InFrontOfAPromptItIsLeftOutWithItsBlankLine) {
  EXPECT_EQ(without_agent_header("x-anthropic-billing-header: cch=5b4a1;\n\nYou are an agent."),
            "You are an agent.");
  EXPECT_EQ(without_agent_header("X-Anthropic-Billing-Header: cch=5b4a1;\r\nYou are an agent."),
            "You are an agent.");
}

TEST(AgentHeader, TheSamePromptIsLeftWhateverTheLineSays) {
  const auto a = without_agent_header("x-anthropic-billing-header: cch=36ee5;\nBe brief.\n\nNow.");
  const auto b = without_agent_header("x-anthropic-billing-header: cch=0aaa9;\nBe brief.\n\nNow.");
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, "Be brief.\n\nNow.");
}

TEST(AgentHeader, AnyOtherTextStaysAsItIs) {
  for (const auto* text : {"", "You are an agent.", "\n x-anthropic-billing-header: cch=1;",
                           "About x-anthropic-billing-header: it is a line.", "x-anthropic"})
    EXPECT_EQ(without_agent_header(text), text);
}

} // namespace
} // namespace larql::text
