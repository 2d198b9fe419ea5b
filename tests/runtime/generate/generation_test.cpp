// Mirrors runtime/generate/generation.hpp: steps of one and of several rows, and every way to end.

#include "runtime/generate/generation.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

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
        const auto step = g.step(rows_from(g.index(), drafts + 1), guess, scratch);
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
  const auto step = g.step(rows_from(0, 6), std::span{all}.first(5), scratch);
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

TEST_F(Generation, TheCallerMayEndIt) {
  auto g = generation{sampled(12)};
  g.stop();
  EXPECT_EQ(g.reason(), end_reason::stopped);
}

} // namespace
} // namespace larql::generate
