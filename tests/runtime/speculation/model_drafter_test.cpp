// Mirrors runtime/speculation/model_drafter.hpp.

#include "runtime/speculation/model_drafter.hpp"

#include "runtime/generate/answer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

class ModelDrafter : public testing::Test {
protected:
  ModelDrafter() {
    auto o = test::run_options{};
    o.context = 700;
    o.kv = gemma4::kv_format::f16;
    model_ = *test::running_model::open(vindex_.path(), o);
  }
  [[nodiscard]] std::shared_ptr<model_source> open(float least_chance = 0) {
    auto o = model_source::options{};
    o.vocab = 128;
    o.max_context = 700;
    o.least_chance = least_chance;
    return *model_source::open(vindex_.path(), model_->compute(), o);
  }
  // What the model says greedily.
  ids answer_of(const ids& prompt, std::size_t tokens) {
    const auto s = model_->new_sequence();
    auto how = generate::generation_options{};
    how.max_tokens = tokens;
    auto g = generate::generation{how};
    auto scratch = generate::sampling_scratch{model_->compute().k};
    auto stats = generate::answer_stats{};
    auto out = ids{};
    EXPECT_TRUE(test::succeeds(generate::answer(
        model_->executor(), *s, {prompt}, g, scratch,
        [&](const generate::generation::step_result& step) {
          out.insert(out.end(), step.tokens.begin(), step.tokens.end());
        },
        {}, stats)));
    return out;
  }
  static generate::draft_tree propose(drafter& d, const ids& text, std::size_t most) {
    auto out = generate::draft_tree{};
    d.propose({text}, most, out);
    return out;
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_F(ModelDrafter, SaysWhatItsModelWouldAlsoAfterDraftsThatWereWrong) {
  const auto source = open();
  const auto d = source->begin("");
  auto text = test::random_ids(20, 128);
  for (auto round = 0u; round < 6; ++round) {
    const auto tree = propose(*d, text, 5);
    EXPECT_EQ(tree.tokens, answer_of(text, 5));
    EXPECT_EQ(tree.parents, (std::vector<std::int32_t>{-1, 0, 1, 2, 3}));
    for (const auto c : tree.chances) {
      EXPECT_GT(c, 0);
      EXPECT_LE(c, 1);
    }
    text.insert(text.end(), tree.tokens.begin(), tree.tokens.begin() + 2);
    text.push_back((tree.tokens[2] + 1 + round) % 128); // none of the drafts
  }
}

TEST_F(ModelDrafter, ReadsALongPromptInPartsBeforeItSaysAnything) {
  const auto source = open();
  const auto d = source->begin("");
  const auto text = test::random_ids(600, 128);
  EXPECT_TRUE(propose(*d, text, 3).empty());
  EXPECT_TRUE(propose(*d, text, 3).empty());
  EXPECT_EQ(propose(*d, text, 3).tokens, answer_of(text, 3));
}

TEST_F(ModelDrafter, IsSilentWhereItIsNotSureOrHasNoRoom) {
  const auto text = test::random_ids(20, 128);
  const auto unsure = open(1.0f);
  EXPECT_TRUE(propose(*unsure->begin(""), text, 5).empty());
  const auto source = open();
  EXPECT_TRUE(propose(*source->begin(""), test::random_ids(698, 128), 5).empty());
}

TEST_F(ModelDrafter, AnotherVocabularyIsRefused) {
  auto o = model_source::options{};
  o.vocab = 1000;
  EXPECT_TRUE(test::fails(model_source::open(vindex_.path(), model_->compute(), o), errc::usage,
                          {"128", "1000"}));
}

} // namespace
} // namespace larql::speculation
