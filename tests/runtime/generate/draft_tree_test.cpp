// Mirrors gemma4/pass_rows.hpp and the drafts of generate/sequence.hpp: every branch of a tree of
// drafts gets the bits of decoding that branch alone, wherever the window begins.

#include "runtime/generate/executor.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

class DraftTree : public testing::TestWithParam<gemma4::kv_format> {
protected:
  DraftTree() {
    auto options = test::run_options{};
    options.context = 400;
    options.kv = GetParam();
    model_ = *test::running_model::open(vindex_.path(), options);
  }

  executor& run() { return model_->executor(); }
  std::unique_ptr<sequence> sequence_with(const ids& tokens) {
    auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(run().append(*s, tokens)));
    return s;
  }

  // Five branches; the numbers are those of the drafts.
  //
  //      0 ── 1 ── 2 ── 3
  //      │    └─── 4
  //      └─── 5 ── 6
  //      7 ── 8
  //      9
  ids tokens_{10, 20, 30, 40, 31, 21, 32, 11, 22, 12};
  std::vector<std::int32_t> parents_{-1, 0, 1, 2, 1, 0, 5, -1, 7, -1};

  [[nodiscard]] std::vector<std::uint32_t> branch_of(std::uint32_t draft) const {
    auto out = std::vector<std::uint32_t>{};
    for (auto d = static_cast<std::int32_t>(draft); d >= 0;
         d = parents_[static_cast<std::size_t>(d)])
      out.insert(out.begin(), static_cast<std::uint32_t>(d));
    return out;
  }
  std::vector<float> logits_of(const sequence& s, std::uint32_t draft) {
    const auto row = executor::row{&s, draft, true};
    const auto l = *run().logits({&row, 1});
    return {l.begin(), l.end()};
  }
  std::vector<float> last(const sequence& s) {
    const auto l = *run().last_logits(s);
    return {l.begin(), l.end()};
  }

  test::tiny_vindex vindex_; // window 8
  std::unique_ptr<test::running_model> model_;
};

TEST_P(DraftTree, EveryBranchGetsTheBitsOfDecodingItAlone) {
  // Before the window is full, where it begins among the drafts' own positions, around blocks.
  for (const auto length : {1u, 3u, 6u, 8u, 60u, 63u, 64u, 70u, 130u}) {
    SCOPED_TRACE(length);
    const auto text = test::random_ids(length, 128);
    const auto s = sequence_with(text);
    const auto part = executor::part{s.get(), tokens_, parents_};
    ASSERT_TRUE(succeeds(run().run({&part, 1})));
    EXPECT_EQ(s->size(), length) << "nothing is appended";
    for (auto draft = 0u; draft < tokens_.size(); ++draft) {
      auto all = text;
      for (const auto d : branch_of(draft))
        all.push_back(tokens_[d]);
      const auto alone = sequence_with(text);
      for (auto i = std::size_t{length}; i < all.size(); ++i)
        ASSERT_TRUE(succeeds(run().append(*alone, {&all[i], 1})));
      EXPECT_EQ(logits_of(*s, draft), last(*alone)) << "draft " << draft;
    }
  }
}

TEST_P(DraftTree, AcceptedDraftsAreAsIfTheyHadBeenAppended) {
  for (const auto length : {5u, 62u, 130u})
    for (const auto draft : {3u, 6u, 8u, 9u}) {
      SCOPED_TRACE(fmt::format("{} tokens and draft {}", length, draft));
      const auto text = test::random_ids(length, 128);
      const auto s = sequence_with(text);
      const auto part = executor::part{s.get(), tokens_, parents_};
      ASSERT_TRUE(succeeds(run().run({&part, 1})));
      const auto expected = logits_of(*s, draft);
      const auto branch = branch_of(draft);
      ASSERT_TRUE(succeeds(s->accept(branch)));
      auto all = text;
      for (const auto d : branch)
        all.push_back(tokens_[d]);
      EXPECT_EQ(ids(s->tokens().begin(), s->tokens().end()), all);
      EXPECT_EQ(last(*s), expected) << "its row is kept";
      EXPECT_EQ(s->drafts(), 0u);
      const auto more = test::random_ids(12, 128, 3);
      ASSERT_TRUE(succeeds(run().append(*s, more)));
      all.insert(all.end(), more.begin(), more.end());
      const auto alone = sequence_with(all);
      EXPECT_EQ(last(*s), last(*alone));
    }
}

TEST_P(DraftTree, WithoutAcceptingTheSequenceGoesOnAsBefore) {
  const auto text = test::random_ids(70, 128);
  const auto s = sequence_with(text);
  const auto part = executor::part{s.get(), tokens_, parents_};
  ASSERT_TRUE(succeeds(run().run({&part, 1})));
  ASSERT_TRUE(succeeds(s->accept({})));
  EXPECT_EQ(s->drafts(), 0u);
  auto all = text;
  all.push_back(99);
  const auto token = all.back();
  ASSERT_TRUE(succeeds(run().append(*s, {&token, 1})));
  EXPECT_EQ(last(*s), last(*sequence_with(all)));
}

TEST_P(DraftTree, MixesWithOtherSequencesOfAPass) {
  const auto text = test::random_ids(70, 128), other = test::random_ids(20, 128, 9);
  const auto s = sequence_with(text), t = sequence_with(other);
  const auto next = ids{5, 6, 7};
  const executor::part parts[] = {{t.get(), next}, {s.get(), tokens_, parents_}};
  ASSERT_TRUE(succeeds(run().run(parts)));
  const auto alone = sequence_with(text);
  const auto part = executor::part{alone.get(), tokens_, parents_};
  ASSERT_TRUE(succeeds(run().run({&part, 1})));
  for (auto draft = 0u; draft < tokens_.size(); ++draft)
    EXPECT_EQ(logits_of(*s, draft), logits_of(*alone, draft));
  auto all = other;
  all.insert(all.end(), next.begin(), next.end());
  EXPECT_EQ(last(*t), last(*sequence_with(all)));
}

TEST_P(DraftTree, ATreeThatIsDeeperThanTheContextIsRefused) {
  const auto s = sequence_with(test::random_ids(397, 128));
  const auto part = executor::part{s.get(), tokens_, parents_};
  EXPECT_TRUE(test::fails(run().run({&part, 1}), errc::usage, {"4 tokens after 397", "400"}));
}

INSTANTIATE_TEST_SUITE_P(Formats, DraftTree,
                         testing::Values(gemma4::kv_format::f16, gemma4::kv_format::f32),
                         [](const auto& p) {
                           return std::string{p.param == gemma4::kv_format::f16 ? "f16" : "f32"};
                         });

} // namespace
} // namespace larql::generate
