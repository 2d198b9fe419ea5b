// Mirrors runtime/generate/generation.hpp: whatever is drafted, an answer is the one of plain
// decoding, with penalties, forms, thoughts, budgets and stops over several tokens.

#include "runtime/generate/generation.hpp"

#include "tests/runtime/text/chat_tokenizer.hpp"
#include "tests/support/noisy_drafts.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using ids = std::vector<std::uint32_t>;

/// All that an answer came to.
struct answer {
  ids tokens;
  std::string text;
  std::vector<text::output_event> events;
  std::vector<text::output_part> parts;
  std::vector<token_logprobs> logprobs;

  void add(const generation::step_result& s) {
    tokens.insert(tokens.end(), s.tokens.begin(), s.tokens.end());
    text += s.text;
    parts.insert(parts.end(), s.parts.begin(), s.parts.end());
    logprobs.insert(logprobs.end(), s.logprobs.begin(), s.logprobs.end());
    for (const auto& e : s.events)
      if (!events.empty() && events.back().what == text::output_event::kind::content &&
          e.what == text::output_event::kind::content)
        events.back().text += e.text; // content may be cut anywhere
      else
        events.push_back(e);
  }
};

class DraftedGeneration : public testing::TestWithParam<std::uint64_t> {
protected:
  // Logits are a function of the last tokens. Control tokens of thoughts are likely enough to come.
  std::vector<float> logits_behind(const ids& before) const {
    auto seed = std::uint64_t{GetParam()};
    for (auto i = before.size() - std::min<std::size_t>(before.size(), 3); i < before.size(); ++i)
      seed = random_bits(seed, before[i]);
    auto random = test::random_source{seed};
    auto out = test::random_floats(random, tokens_.size());
    for (const auto* name : {"<|channel>", "<channel|>", "<turn|>"})
      out[*tokens_.find(name)] += 0.3f;
    return out;
  }

  answer plain(generation& g) {
    auto out = answer{};
    while (!g.ended())
      out.add(g.step(logits_behind(out.tokens), {}, scratch_));
    out.add(g.finish());
    return out;
  }

  answer drafted(generation& g, const ids& right) {
    auto out = answer{};
    while (!g.ended()) {
      auto tree = test::noisy_tree(right, out.tokens.size(), draft_tree::max_rows - 1,
                                   static_cast<std::uint32_t>(tokens_.size()), GetParam());
      g.prune(tree);
      auto rows = logits_behind(out.tokens);
      auto texts = std::vector<ids>{};
      for (auto i = std::size_t{0}; i < tree.size(); ++i) {
        const auto parent = tree.parents[i];
        texts.push_back(parent < 0 ? out.tokens : texts[static_cast<std::size_t>(parent)]);
        texts.back().push_back(tree.tokens[i]);
        const auto row = logits_behind(texts.back());
        rows.insert(rows.end(), row.begin(), row.end());
      }
      const auto step = g.step(rows, tree, scratch_);
      EXPECT_LE(step.accepted.size(), step.tokens.size());
      EXPECT_LE(step.tokens.size(), step.accepted.size() + 1);
      accepted_ += step.accepted.size();
      out.add(step);
      if (testing::Test::HasFailure())
        break;
    }
    out.add(g.finish());
    return out;
  }

  void expect_same(const generation& start) {
    auto a = start, b = start;
    const auto expected = plain(a);
    const auto got = drafted(b, expected.tokens);
    EXPECT_EQ(got.tokens, expected.tokens);
    EXPECT_EQ(got.text, expected.text);
    EXPECT_EQ(got.events, expected.events);
    EXPECT_EQ(got.parts, expected.parts);
    EXPECT_EQ(got.logprobs.size(), expected.logprobs.size());
    EXPECT_EQ(b, a) << "and so is whatever would come next";
  }

  generation_options options() const {
    auto o = generation_options{};
    o.max_tokens = 90;
    o.sampling.seed = GetParam();
    o.sampling.temperature = 1.2f;
    o.sampling.top_p = 0.95f;
    o.stop_tokens = {*tokens_.find("<turn|>")};
    return o;
  }

  text::tokenizer tokens_ = text::test::chat_tokenizer();
  std::shared_ptr<grammar::constraint_engine> engine_ =
      grammar::constraint_engine::create(tokens_, {*tokens_.find("<turn|>")});
  sampling_scratch scratch_{**kernels::kernels_for(kernels::best_simd_level())};
  std::size_t accepted_ = 0;
};

TEST_P(DraftedGeneration, WithPenaltiesBiasAndLogprobsIsThePlainOne) {
  auto o = options();
  o.sampling.repetition_penalty = 1.3f;
  o.sampling.presence_penalty = 0.2f;
  o.sampling.frequency_penalty = 0.4f;
  o.sampling.bias = {{*tokens_.find("a"), 1.0f}, {*tokens_.find("b"), -INFINITY}};
  o.stop_tokens = {};
  o.logprobs = 2;
  expect_same(generation{o});
  EXPECT_GT(accepted_, 10u) << "drafts are of use";
}

TEST_P(DraftedGeneration, GreedyIsThePlainOneToItsLimit) {
  auto o = options();
  o.sampling.temperature = 0;
  o.max_tokens = 5 + GetParam();
  expect_same(generation{o});
  auto g = generation{o};
  g.set_room(3 + GetParam());
  expect_same(g);
}

TEST_P(DraftedGeneration, WithStopTextsOverSeveralTokensIsThePlainOne) {
  auto o = options();
  o.stop_tokens = {};
  auto all = generation{o, text::utf8_stream{tokens_}};
  const auto text = plain(all).text;
  ASSERT_GT(text.size(), 30u);
  o.stop_texts = {text.substr(20, 4), "never this"};
  expect_same(generation{o, text::utf8_stream{tokens_}});
}

TEST_P(DraftedGeneration, WithThoughtsTheirBudgetAndASchemaIsThePlainOne) {
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  rules.schema = R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}},
                     "b":{"type":"string","maxLength":9}},"required":["a","b"]})";
  rules.thinking = true;
  rules.in_thought = GetParam() % 2 == 0;
  rules.thought_budget = 7;
  auto o = options();
  o.constraint = *engine_->compile(rules);
  expect_same(generation{o, text::output_reader{tokens_, rules.in_thought}});
}

TEST_P(DraftedGeneration, WhatCannotComeIsLeftOutOfATree) {
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  auto o = options();
  o.constraint = *engine_->compile(rules);
  o.max_tokens = 3;
  const auto g = generation{o};
  const auto brace = *tokens_.find("{"), quote = *tokens_.find("\""), letter = *tokens_.find("a");
  auto tree = draft_tree{};
  tree.add(letter, -1, 1); // forbidden
  const auto open = tree.add(brace, -1, 1);
  tree.add(brace, 0, 1);     // behind a forbidden one
  tree.add(letter, open, 1); // forbidden there
  const auto key = tree.add(quote, open, 1);
  tree.add(letter, key, 1); // the last token: its row is of no use
  g.prune(tree);
  EXPECT_EQ(tree.tokens, (ids{brace, quote}));
  EXPECT_EQ(tree.parents, (std::vector<std::int32_t>{-1, 0}));
  auto free = options();
  free.sampling.bias = {{letter, -INFINITY}};
  tree = draft_tree::chain(ids{brace, letter, quote});
  generation{free}.prune(tree);
  EXPECT_EQ(tree.tokens, ids{brace});
  tree = draft_tree::chain(ids{brace, free.stop_tokens[0], quote});
  generation{free}.prune(tree);
  EXPECT_EQ(tree.tokens, ids{brace});
}

INSTANTIATE_TEST_SUITE_P(Seeds, DraftedGeneration,
                         testing::Range(std::uint64_t{1}, std::uint64_t{21}));

} // namespace
} // namespace larql::generate
