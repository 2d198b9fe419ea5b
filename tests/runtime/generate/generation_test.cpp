// Mirrors runtime/generate/generation.hpp: steps of one and of several rows, and every way to end.

#include "runtime/generate/generation.hpp"

#include "tests/runtime/text/chat_tokenizer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace larql::generate {
namespace {

constexpr auto vocab = std::size_t{50};
using ids = std::vector<std::uint32_t>;

const kernels::kernel_set& kernels_here() {
  return **kernels::kernels_for(kernels::best_simd_level());
}

// Logits that depend on the index of a token only.
std::vector<float> logits_at(std::uint64_t index) {
  auto random = test::random_source{index};
  return test::random_floats(random, vocab);
}

// Logits of the rows of tokens `first`, first + 1, ...
std::vector<float> rows_from(std::uint64_t first, std::size_t count) {
  auto out = std::vector<float>{};
  for (auto i = std::size_t{0}; i < count; ++i) {
    const auto row = logits_at(first + i);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

generation_options sampled(std::size_t tokens) {
  auto o = generation_options{};
  o.max_tokens = tokens;
  o.sampling.temperature = 1;
  o.sampling.seed = 5;
  o.sampling.frequency_penalty = 0.3f;
  return o;
}

class Generation : public testing::Test {
protected:
  /// One row at a time, from where `g` is.
  ids decode(generation& g) {
    auto out = ids{};
    while (!g.ended()) {
      const auto step = g.step(logits_at(g.index()), {}, scratch);
      out.insert(out.end(), step.tokens.begin(), step.tokens.end());
    }
    return out;
  }

  sampling_scratch scratch{kernels_here()};
};

TEST_F(Generation, EndsAtItsLimitAndCountsItsTokens) {
  auto g = generation{sampled(7)};
  EXPECT_EQ(decode(g).size(), 7u);
  EXPECT_EQ(g.reason(), end_reason::max_tokens);
  EXPECT_EQ(g.tokens(), 7u);
  EXPECT_TRUE(generation{sampled(0)}.ended());
}

TEST_F(Generation, AStopTokenIsNeitherGivenNorCounted) {
  auto plain = generation{sampled(20)};
  const auto all = decode(plain);
  auto o = sampled(20);
  o.stop_tokens = {all[6]};
  auto g = generation{o};
  const auto first =
      static_cast<std::size_t>(std::find(all.begin(), all.end(), all[6]) - all.begin());
  EXPECT_EQ(decode(g), ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first)));
  EXPECT_EQ(g.reason(), end_reason::stop_token);
  EXPECT_EQ(g.tokens(), first);
}

TEST_F(Generation, ARoomIsFullWithTheTokenThatIsNotReadAgain) {
  auto g = generation{sampled(20)};
  g.set_room(3);
  EXPECT_EQ(decode(g).size(), 3u);
  EXPECT_EQ(g.reason(), end_reason::context_full);
}

TEST_F(Generation, RightDraftsGiveSeveralTokensAndWrongOnesTheTokenThatIsDrawn) {
  auto plain = generation{sampled(24)};
  const auto all = decode(plain);
  // Drafts of every length, of which the first `right` agree.
  for (auto drafts = std::size_t{0}; drafts < 6; ++drafts)
    for (auto right = std::size_t{0}; right <= drafts; ++right) {
      auto g = generation{sampled(24)};
      auto out = ids{};
      while (!g.ended()) {
        const auto at = out.size();
        auto guess = ids{};
        for (auto j = std::size_t{0}; j < drafts; ++j)
          guess.push_back(j < right && at + j < all.size() ? all[at + j] : vocab);
        const auto step =
            g.step(rows_from(g.index(), drafts + 1), draft_tree::chain(guess), scratch);
        EXPECT_GE(step.tokens.size(), 1u);
        out.insert(out.end(), step.tokens.begin(), step.tokens.end());
      }
      EXPECT_EQ(out, all) << right << " of " << drafts;
      EXPECT_EQ(g, plain);
    }
}

TEST_F(Generation, NothingBehindAStopIsGivenByAStepOfSeveralRows) {
  auto plain = generation{sampled(20)};
  const auto all = decode(plain);
  auto o = sampled(20);
  o.stop_tokens = {all[2]};
  auto g = generation{o};
  const auto step = g.step(rows_from(0, 6), draft_tree::chain(std::span{all}.first(5)), scratch);
  const auto first = std::find(all.begin(), all.end(), all[2]) - all.begin();
  EXPECT_EQ(ids(step.tokens.begin(), step.tokens.end()), ids(all.begin(), all.begin() + first));
  EXPECT_TRUE(g.ended());
}

TEST_F(Generation, CanBeCopiedPutBackAndResumedElsewhere) {
  auto g = generation{sampled(12)};
  auto out = ids{};
  for (auto i = 0; i < 5; ++i)
    out.push_back(g.step(logits_at(g.index()), {}, scratch).tokens[0]);
  const auto kept = g;
  EXPECT_EQ(g, kept);
  const auto rest = decode(g);
  EXPECT_FALSE(g == kept);
  g = kept;
  EXPECT_EQ(decode(g), rest);
  // A request that moves carries its index; without penalties that is all it needs.
  auto o = sampled(12);
  o.sampling.frequency_penalty = 0;
  auto whole = generation{o};
  const auto all = decode(whole);
  o.first_index = 5;
  o.max_tokens = 7;
  auto moved = generation{o};
  EXPECT_EQ(decode(moved), ids(all.begin() + 5, all.end()));
}

// Logits that choose this token.
std::vector<float> choosing(std::uint32_t token, std::size_t tokens) {
  auto out = std::vector<float>(tokens, 0.0f);
  out[token] = 1;
  return out;
}

TEST_F(Generation, AStopTextMayComeOverSeveralTokensAndIsHeldBack) {
  const auto tokens = text::test::small_tokenizer_file{}.parse();
  auto o = generation_options{};
  o.max_tokens = 20;
  o.stop_texts = {"cde"};
  auto g = generation{o, text::utf8_stream{tokens}};
  auto shown = std::string{};
  for (const auto* letter : {"a", "b", "c", "d", "x", "c", "d", "e", "f"}) {
    if (g.ended())
      break;
    const auto step = g.step(choosing(*tokens.find(letter), tokens.size()), {}, scratch);
    shown += step.text + "|";
  }
  EXPECT_EQ(shown, "a|b|||cdx||||");
  EXPECT_EQ(g.reason(), end_reason::stop_text);
  EXPECT_EQ(g.tokens(), 8u);
  EXPECT_EQ(g.flush(), "");
}

TEST_F(Generation, WhatWasHeldBackIsShownAtTheEnd) {
  const auto tokens = text::test::small_tokenizer_file{}.parse();
  auto o = generation_options{};
  o.max_tokens = 2;
  o.stop_texts = {"cde"};
  auto g = generation{o, text::utf8_stream{tokens}};
  for (const auto* letter : {"c", "d"})
    EXPECT_EQ(g.step(choosing(*tokens.find(letter), tokens.size()), {}, scratch).text, "");
  EXPECT_EQ(g.reason(), end_reason::max_tokens);
  EXPECT_EQ(g.flush(), "cd");
}

TEST_F(Generation, ACharacterThatACutHasLeftUnfinishedIsNotShown) {
  const auto tokens = text::test::small_tokenizer_file{}.parse();
  const auto first_byte = tokens.find("<0xC3>");
  ASSERT_TRUE(first_byte);
  const auto text_of = [&](std::size_t max_tokens, auto reader) {
    auto o = generation_options{};
    o.max_tokens = max_tokens;
    auto g = generation{o, std::move(reader)};
    auto out = std::string{};
    for (const auto token : {*tokens.find("c"), *first_byte})
      if (!g.ended())
        out += g.step(choosing(token, tokens.size()), {}, scratch).text;
    return out + g.finish().text;
  };
  EXPECT_EQ(text_of(2, text::utf8_stream{tokens}), "c");
  EXPECT_EQ(text_of(2, text::output_reader{tokens}), "c");
  // Without a cut all that was given is shown.
  EXPECT_EQ(text_of(9, text::utf8_stream{tokens}), "c\xef\xbf\xbd");
  EXPECT_EQ(text_of(9, text::output_reader{tokens}), "c\xef\xbf\xbd");
}

// ---- thoughts, calls and forms ------------------------------------------------------------------

// Every step offers the tokens of a text, one after the other, as the likeliest.
struct scripted {
  const text::tokenizer& tokens;
  std::vector<std::uint32_t> script;

  generation::step_result run(generation& g, sampling_scratch& scratch) const {
    auto all = generation::step_result{};
    for (auto i = std::size_t{0}; i < script.size() && !g.ended(); ++i) {
      const auto step = g.step(choosing(script[i], tokens.size()), {}, scratch);
      all.tokens.insert(all.tokens.end(), step.tokens.begin(), step.tokens.end());
      all.events.insert(all.events.end(), step.events.begin(), step.events.end());
      all.parts.insert(all.parts.end(), step.parts.begin(), step.parts.end());
      all.text += step.text;
    }
    const auto rest = g.finish();
    all.events.insert(all.events.end(), rest.events.begin(), rest.events.end());
    all.text += rest.text;
    return all;
  }
};

scripted script_of(const text::tokenizer& tokens, std::string_view text) {
  return {tokens, *tokens.encode(text, false, text::control_text::becomes_tokens)};
}

std::string shown(const generation::step_result& all) {
  auto out = std::string{};
  for (const auto& e : all.events)
    out += (e.what == text::output_event::kind::thought ? "T:" : "") + e.text + "|";
  return out;
}

TEST_F(Generation, AReaderTellsThoughtsAndCallsFromContent) {
  const auto tokens = text::test::chat_tokenizer();
  auto o = generation_options{};
  o.max_tokens = 100;
  auto g = generation{o, text::output_reader{tokens}};
  const auto all =
      script_of(tokens, "<|channel>thought\nhm\n<channel|>a<|tool_call>call:f{x:1}<tool_call|>")
          .run(g, scratch);
  EXPECT_EQ(all.text, "a");
  ASSERT_GE(all.events.size(), 5u);
  EXPECT_EQ(all.events[0].what, text::output_event::kind::thought);
  EXPECT_EQ(all.events.back().what, text::output_event::kind::call_end);
  EXPECT_EQ(all.parts.size(), all.tokens.size());
  EXPECT_EQ(all.parts[0], text::output_part::thought);
  EXPECT_EQ(g.reader()->calls(), 1u);
}

TEST_F(Generation, StopTextsAreLookedForInContentAlone) {
  const auto tokens = text::test::chat_tokenizer();
  auto o = generation_options{};
  o.max_tokens = 100;
  o.stop_texts = {"xyz", "cd"};
  auto g = generation{o, text::output_reader{tokens}};
  const auto all = script_of(tokens, "<|channel>thought\nabcd\n<channel|>abcdef").run(g, scratch);
  EXPECT_EQ(g.reason(), end_reason::stop_text);
  ASSERT_NE(g.stop_text(), nullptr);
  EXPECT_EQ(*g.stop_text(), "cd");
  EXPECT_EQ(all.text, "ab");
  EXPECT_NE(shown(all).find("T:a|T:b|T:c|T:d|"), std::string::npos);
}

TEST_F(Generation, HeldBackContentComesBeforeACall) {
  const auto tokens = text::test::chat_tokenizer();
  auto o = generation_options{};
  o.max_tokens = 100;
  o.stop_texts = {"abc"};
  auto g = generation{o, text::output_reader{tokens}};
  const auto all = script_of(tokens, "ab<|tool_call>call:f{}<tool_call|>").run(g, scratch);
  EXPECT_EQ(shown(all), "ab|f|{|}||");
}

TEST_F(Generation, AConstraintDecidesWhatMayCome) {
  const auto tokens = text::test::chat_tokenizer();
  const auto stop = *tokens.find("<turn|>");
  const auto engine = grammar::constraint_engine::create(tokens, {stop});
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  rules.schema = R"({"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]})";
  auto o = generation_options{};
  o.max_tokens = 100;
  o.stop_tokens = {stop};
  o.constraint = *engine->compile(rules);
  o.sampling.temperature = 1;
  auto g = generation{o, text::output_reader{tokens}};
  auto text = std::string{};
  while (!g.ended())
    text += g.step(std::vector<float>(tokens.size(), 0.0f), {}, scratch).text;
  EXPECT_EQ(g.reason(), end_reason::stop_token);
  EXPECT_TRUE(nlohmann::json::accept(text)) << text;
}

TEST_F(Generation, DraftsThatAConstraintForbidsAreNotTaken) {
  const auto tokens = text::test::chat_tokenizer();
  const auto engine = grammar::constraint_engine::create(tokens, {*tokens.find("<turn|>")});
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  auto o = generation_options{};
  o.max_tokens = 100;
  o.constraint = *engine->compile(rules);
  auto g = generation{o};
  const auto brace = *tokens.find("{"), letter = *tokens.find("x");
  auto rows = choosing(brace, tokens.size());
  for (auto i = 0; i < 2; ++i) {
    const auto row = choosing(letter, tokens.size());
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const auto step = g.step(rows, draft_tree::chain(ids{brace, letter}), scratch);
  ASSERT_EQ(step.tokens.size(), 2u);
  EXPECT_EQ(step.tokens[0], brace);
  EXPECT_NE(step.tokens[1], letter);
}

// ---- logarithms of probabilities ----------------------------------------------------------------

TEST_F(Generation, LogprobsAreOfTheRawLogits) {
  auto o = sampled(1);
  o.logprobs = 3;
  o.sampling.temperature = 0;
  o.sampling.bias = {{7, 100.0f}};
  auto g = generation{o};
  auto logits = std::vector<float>(vocab, 0.0f);
  logits[3] = logits[5] = std::log(4.0f);
  const auto step = g.step(logits, {}, scratch);
  EXPECT_EQ(step.tokens, (ids{7}));
  ASSERT_EQ(step.logprobs.size(), 1u);
  const auto total = std::log(48.0f + 8.0f);
  EXPECT_EQ(step.logprobs[0].chosen.token, 7u);
  EXPECT_NEAR(step.logprobs[0].chosen.logprob, -total, 1e-5);
  ASSERT_EQ(step.logprobs[0].top.size(), 3u);
  EXPECT_EQ(step.logprobs[0].top[0].token, 3u);
  EXPECT_EQ(step.logprobs[0].top[1].token, 5u);
  EXPECT_EQ(step.logprobs[0].top[2].token, 0u);
  EXPECT_NEAR(step.logprobs[0].top[0].logprob, std::log(4.0f) - total, 1e-5);
}

TEST_F(Generation, TheLikeliestTokensAreThoseOfASort) {
  auto random = test::random_source{9};
  auto terms = std::vector<float>{};
  for (const auto n : {std::size_t{1}, std::size_t{5}, std::size_t{1000}, std::size_t{4097}}) {
    auto logits = test::random_floats(random, n);
    for (auto& x : logits)
      x = std::round(x * 4); // ties
    auto order = std::vector<std::uint32_t>(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return logits[a] > logits[b]; });
    const auto found = logprobs_of(logits, 0, 20, kernels_here(), terms);
    ASSERT_EQ(found.top.size(), std::min<std::size_t>(20, n));
    for (auto i = std::size_t{0}; i < found.top.size(); ++i)
      EXPECT_EQ(found.top[i].token, order[i]);
  }
}

TEST_F(Generation, TheCallerMayEndIt) {
  auto g = generation{sampled(12)};
  g.stop();
  EXPECT_EQ(g.reason(), end_reason::stopped);
}

} // namespace
} // namespace larql::generate
