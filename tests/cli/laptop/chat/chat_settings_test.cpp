// Mirrors cli/laptop/chat/chat_settings.hpp.

#include "cli/laptop/chat/chat_settings.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

std::string error_of(answer_flags& flags, std::string_view name, std::string_view value) {
  const auto done = set_option(flags, name, value);
  return done ? "no error" : done.error().text;
}

TEST(ChatSettings, AreSetByTheNamesOfTheOptions) {
  auto f = answer_flags{};
  ASSERT_TRUE(set_option(f, "temperature", "0.7"));
  ASSERT_TRUE(set_option(f, "--top-k", "40"));
  ASSERT_TRUE(set_option(f, "max-tokens", "100"));
  ASSERT_TRUE(set_option(f, "stop", "###"));
  ASSERT_TRUE(set_option(f, "stop", "end of it"));
  EXPECT_FLOAT_EQ(f.sampling.temperature, 0.7f);
  EXPECT_EQ(f.top_k, 40u);
  EXPECT_EQ(f.max_tokens, 100u);
  EXPECT_EQ(f.stop, (std::vector<std::string>{"###", "end of it"}));
  ASSERT_TRUE(set_option(f, "top-k", "model"));
  ASSERT_TRUE(set_option(f, "max-tokens", "none"));
  ASSERT_TRUE(set_option(f, "stop", "none"));
  EXPECT_EQ(f.top_k, std::nullopt);
  EXPECT_EQ(f.max_tokens, answer_flags::no_limit);
  EXPECT_TRUE(f.stop.empty());
}

TEST(ChatSettings, WhatMakesNoSenseChangesNothing) {
  auto f = answer_flags{};
  EXPECT_EQ(error_of(f, "temperature", "warm"), "temperature is \"warm\", expected a number");
  EXPECT_NE(error_of(f, "temperature", "-1").find("expected 0 to 100"), std::string::npos);
  EXPECT_NE(error_of(f, "top-p", "1.5").find("top-p is 1.5"), std::string::npos);
  EXPECT_EQ(error_of(f, "top-k", "-3"), "top-k is \"-3\", expected a whole number");
  EXPECT_NE(error_of(f, "max-tokens", "0").find("max-tokens is 0"), std::string::npos);
  EXPECT_EQ(error_of(f, "temprature", "1"),
            "there is no setting temprature, did you mean temperature?");
  EXPECT_EQ(error_of(f, "seed", ""), "/set seed wants a value");
  EXPECT_EQ(settings_text(f), settings_text(answer_flags{}));
}

TEST(ChatSettings, AreShownAsTheyAreSet) {
  auto f = answer_flags{};
  f.sampling.seed = 7;
  const auto text = settings_text(f);
  EXPECT_NE(text.find("seed                 7\n"), std::string::npos) << text;
  EXPECT_NE(text.find("top-k                model\n"), std::string::npos) << text;
  EXPECT_NE(text.find("max-tokens           none\n"), std::string::npos) << text;
}

} // namespace
} // namespace larql::cli
