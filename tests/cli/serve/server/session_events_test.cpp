// Mirrors cli/serve/server/session_events.hpp: what the session service tells becomes what clients
// are told.

#include "cli/serve/server/session_events.hpp"

#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using kind = text::output_event::kind;

class SessionEvents : public testing::Test {
protected:
  static void SetUpTestSuite() {
    auto loaded = text::tokenizer::load(test::source_dir() / "tests/demo_model/tokenizer.json");
    ASSERT_TRUE(loaded) << loaded.error().text;
    tokens = std::make_unique<text::tokenizer>(*std::move(loaded));
  }
  static void TearDownTestSuite() { tokens.reset(); }

  session_events events_for(std::uint32_t prompts = 1, std::uint32_t choices = 1) {
    return {*tokens, prompts, choices,
            7,       2,       [this](completion_event e) { told.push_back(std::move(e)); }};
  }
  static actors::answer_step step(std::uint32_t choice, std::vector<text::output_event> events) {
    auto out = actors::answer_step{choice, {}};
    out.given.events = std::move(events);
    return out;
  }
  static actors::answer_end end(std::uint32_t choice, generate::end_reason reason) {
    auto out = actors::answer_end{};
    out.choice = choice;
    out.reason = reason;
    out.prompt_tokens = 10;
    out.cached_tokens = 4;
    out.stats.prompt_tokens = 6;
    out.stats.tokens = 3;
    out.stats.token_times = {5ms, 6ms};
    out.stats.prefill = 20ms;
    return out;
  }
  template <class Event>
  const Event& told_as(std::size_t i) {
    return std::get<Event>(told.at(i));
  }

  static inline std::unique_ptr<text::tokenizer> tokens;
  std::vector<completion_event> told;
};

TEST_F(SessionEvents, TextThoughtsAndCallsAreToldApart) {
  auto events = events_for();
  events.take(0, actors::prompt_progress{10, 4, 10});
  events.take(0, step(0, {{kind::thought, "hm"}, {kind::content, "Moment."}}));
  events.take(
      0, step(0, {{kind::call_begin, "weather"}, {kind::call_arguments, "{}"}, {kind::call_end}}));
  events.take(0, end(0, generate::end_reason::max_tokens));
  ASSERT_EQ(told.size(), 8u);
  EXPECT_EQ(told_as<prompt_progress>(0).cached, 4u);
  EXPECT_EQ(told_as<reasoning_delta>(1).text, "hm");
  EXPECT_EQ(told_as<text_delta>(2).text, "Moment.");
  EXPECT_EQ(told_as<call_begin>(3).name, "weather");
  EXPECT_TRUE(told_as<call_begin>(3).id.starts_with("call_"));
  EXPECT_EQ(told_as<call_arguments>(4).json, "{}");
  EXPECT_EQ(told_as<choice_end>(6).reason, finish_reason::max_tokens);
  const auto& last = told_as<completion_end>(7);
  EXPECT_EQ(last.usage.prompt_tokens, 10u);
  EXPECT_EQ(last.usage.cached_tokens, 4u);
  EXPECT_EQ(last.usage.answer_tokens, 3u);
  EXPECT_EQ(last.timings.answer, 11ms);
  EXPECT_EQ(last.timings.read_tokens, 6u);
  EXPECT_EQ(last.timings.nodes, 2u);
  EXPECT_EQ(last.seed, 7u);
}

TEST_F(SessionEvents, WhatWasHeldBackComesBeforeTheEnd) {
  auto events = events_for();
  auto ended = end(0, generate::end_reason::stop_token);
  ended.rest.events = {{kind::content, "tail"}};
  events.take(0, std::move(ended));
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told_as<text_delta>(0).text, "tail");
  EXPECT_EQ(told_as<choice_end>(1).reason, finish_reason::stop);
}

TEST_F(SessionEvents, AnswersAreNumberedThroughAllPrompts) {
  auto events = events_for(2, 2);
  for (auto prompt = 0u; prompt < 2; ++prompt)
    for (auto choice = 0u; choice < 2; ++choice)
      events.take(prompt, end(choice, generate::end_reason::stop_token));
  ASSERT_EQ(told.size(), 5u);
  for (auto i = 0u; i < 4; ++i)
    EXPECT_EQ(told_as<choice_end>(i).choice, i);
  const auto& last = told_as<completion_end>(4);
  EXPECT_EQ(last.usage.prompt_tokens, 20u); // once for each prompt
  EXPECT_EQ(last.usage.answer_tokens, 12u);
}

TEST_F(SessionEvents, LogprobsBelongToTextAlone) {
  auto events = events_for();
  auto one = step(0, {{kind::thought, "hm"}, {kind::content, "Hi"}});
  const auto hi = tokens->encode("Hi", false, text::control_text::stays_text)->front();
  one.given.parts = {text::output_part::thought, text::output_part::content};
  one.given.logprobs = {{{hi, -1.0f}, {}}, {{hi, -2.0f}, {{hi, -2.0f}}}};
  events.take(0, std::move(one));
  ASSERT_EQ(told.size(), 2u);
  const auto& text = told_as<text_delta>(1);
  ASSERT_EQ(text.logprobs.size(), 1u);
  EXPECT_EQ(text.logprobs[0].chosen.logprob, -2.0f);
  EXPECT_EQ(text.logprobs[0].chosen.bytes.substr(0, 1), "H");
}

TEST_F(SessionEvents, AFailureEndsTheWholeRequest) {
  auto events = events_for(1, 2);
  auto failed = end(0, generate::end_reason::none);
  failed.failed = fail(errc::unavailable, "experts 0-63 are away");
  events.take(0, std::move(failed));
  events.take(0, end(1, generate::end_reason::stop_token)); // of no interest any more
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told_as<api_error>(0).kind, error_kind::unavailable);
  EXPECT_EQ(told_as<api_error>(0).message, "experts 0-63 are away");
}

TEST_F(SessionEvents, AnAnswerThatTheServersEndCutsIsAnError) {
  auto events = events_for();
  events.take(0, end(0, generate::end_reason::stopped));
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told_as<api_error>(0).kind, error_kind::unavailable);
}

} // namespace
} // namespace larql::serve
