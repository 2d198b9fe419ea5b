// Mirrors actors/session/scheduler_drafts.cpp and speculation/mtp_drafter.hpp: answers with drafts
// of the model's own drafter, right and wrong ones, are those of plain decoding.

#include "tests/actors/session/session_fixture.hpp"

#include "runtime/grammar/constraint.hpp"
#include "runtime/speculation/mtp_drafter.hpp"
#include "runtime/speculation/suffix_drafter.hpp"
#include "tests/fuzz/fuzz_tokenizer.hpp"
#include "tests/support/tiny_drafter.hpp"

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;

constexpr std::uint32_t vocab = 12; // so small that a random drafter is right now and then

test::tiny_options small_vocabulary() {
  auto o = test::tiny_options{};
  o.vocab = vocab;
  return o;
}

class SchedulerMtp : public test::scheduler_fixture {
protected:
  SchedulerMtp() : SchedulerMtp(small_vocabulary()) {}
  explicit SchedulerMtp(const test::tiny_options& shape) : scheduler_fixture(shape) {
    test::tiny_drafter{vindex_.config()}.add_to(vindex_.path());
  }
  static ids prompt(std::size_t n, std::uint64_t seed) { return test::random_ids(n, vocab, seed); }

  void draft(speculation::mode how, std::size_t drafts = 0) {
    options_.speculation = {};
    options_.speculation.how = how;
    options_.speculation.drafts = drafts;
    options_.speculation.sources = {
        *speculation::mtp_source::open(model_->model(), model_->compute(), {0.0f})};
  }
  // Greedy and drawn, with penalties and without, of four lengths; the windows are 8 tokens.
  std::vector<asked> ask_some(std::uint64_t seed, std::size_t tokens = 40) {
    auto out = std::vector<asked>{};
    for (auto i = 0u; i < 4; ++i) {
      auto o = answer_of(tokens, i % 2 == 0 ? 0.0f : 1.0f, seed + i);
      if (i >= 2) {
        o.sampling.repetition_penalty = 1.2f;
        o.sampling.frequency_penalty = 0.3f;
      }
      if (i == 3)
        o.sampling.bias = {{5, 2.0f}, {7, -3.0f}};
      out.push_back(ask(prompt(2 + 17 * i, seed + i), o));
    }
    return out;
  }
  void expect_all_whole(const std::vector<asked>& all) {
    for (const auto& a : all)
      expect_whole(a);
  }
};

TEST_F(SchedulerMtp, AnswersAreThoseOfPlainDecodingForAnyNumberOfDrafts) {
  auto accepted = std::uint64_t{0}, drafted = std::uint64_t{0};
  for (auto seed = std::uint64_t{1}; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    draft(speculation::mode::fixed, 1 + seed * 3 % 31);
    options_.groups = 1 + static_cast<std::uint32_t>(seed % 2);
    start();
    const auto all = ask_some(seed);
    settle();
    expect_all_whole(all);
    accepted += work_->status().speculation.accepted;
    drafted += work_->status().speculation.drafted;
    work_.reset();
  }
  EXPECT_GT(accepted, 50u);
  EXPECT_GT(drafted - accepted, 1000u) << "rejected ones";
}

TEST_F(SchedulerMtp, BesideTheSuffixTreeAndTheControllerAnswersAreThePlainOnes) {
  draft(speculation::mode::automatic);
  options_.speculation.sources.insert(options_.speculation.sources.begin(),
                                      std::make_shared<speculation::suffix_source>());
  start();
  for (auto round = 0u; round < 3; ++round) {
    const auto all = ask_some(30 + round % 2, 80);
    settle();
    expect_all_whole(all);
  }
}

TEST_F(SchedulerMtp, AnswersThatPauseAndComeLateAreThePlainOnes) {
  draft(speculation::mode::fixed, 6);
  start();
  auto answers = ask_some(5, 50);
  for (auto step = 0; work_->step(); ++step) {
    if (step % 7 == 0)
      pause(answers[static_cast<std::size_t>(step / 7) % 4], step % 14 == 0);
    if (step == 60)
      answers.push_back(ask(prompt(90, 77), answer_of(20)));
    ASSERT_LT(step, 1'000'000);
  }
  for (auto i = std::size_t{0}; i < 4; ++i)
    pause(answers[i], false);
  settle();
  expect_all_whole(answers);
}

TEST_F(SchedulerMtp, AnswersBehindACachedPromptAreThePlainOnes) {
  draft(speculation::mode::fixed, 4);
  start();
  const auto first = prompt(70, 3);
  for (const auto extra : {0u, 1u, 9u}) {
    const auto a = ask(joined(first, prompt(extra, 8)), answer_of(30));
    settle();
    expect_whole(a);
  }
}

// ---- forms --------------------------------------------------------------------------------------

const text::tokenizer& chat_tokens() {
  return fuzz::chat_tokenizer();
}

test::tiny_options of_chat_tokens() {
  auto o = test::tiny_options{};
  o.vocab = static_cast<std::uint32_t>(chat_tokens().size());
  return o;
}

class SchedulerMtpForms : public SchedulerMtp {
protected:
  SchedulerMtpForms() : SchedulerMtp(of_chat_tokens()) {}

  std::shared_ptr<grammar::constraint_engine> engine_ =
      grammar::constraint_engine::create(chat_tokens(), {3});
};

TEST_F(SchedulerMtpForms, AnswersOfAFormAreThePlainOnes) {
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  rules.schema = R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"boolean"}},
                     "b":{"enum":["one","two"]}},"required":["a","b"]})";
  auto drafted = std::uint64_t{0};
  for (auto seed = std::uint64_t{1}; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    draft(speculation::mode::fixed, 1 + seed * 4 % 31);
    start();
    auto all = std::vector<std::pair<asked, generate::generation_options>>{};
    for (auto i = 0u; i < 3; ++i) {
      auto o = answer_of(40, i == 0 ? 0.0f : 1.0f, seed + i);
      o.constraint = *engine_->compile(rules);
      o.stop_tokens = {1, 3};
      all.emplace_back(ask(test::random_ids(5 + 9 * i, of_chat_tokens().vocab, seed + i), o), o);
    }
    settle();
    for (const auto& [a, o] : all)
      EXPECT_EQ(a.got->tokens[0], alone(a.prompt, o));
    drafted += work_->status().speculation.drafted;
    work_.reset();
  }
  EXPECT_GT(drafted, 0u);
}

} // namespace
} // namespace larql::actors
