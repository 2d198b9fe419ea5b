// Mirrors runtime/generate/executor.hpp: appending, batches, chunks in flight, refusing, failing
// and being stopped. Going back is in sequence_test.cpp, drafts are in draft_tree_test.cpp.

#include "runtime/generate/executor.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/far_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;

using ids = std::vector<std::uint32_t>;

std::vector<float> copy(std::span<const float> x) {
  return {x.begin(), x.end()};
}

// Tests share one vindex and one loaded model; each makes its own sequences.
class Executor : public testing::Test {
protected:
  static void SetUpTestSuite() {
    vindex_ = std::make_unique<test::tiny_vindex>();
    auto options = test::run_options{};
    options.chunk = 4;
    options.context = 40;
    model_ = *test::running_model::open(vindex_->path(), options);
  }
  static void TearDownTestSuite() {
    model_.reset();
    vindex_.reset();
  }

  static executor& run() { return model_->executor(); }
  static ids prompt(std::size_t n, std::uint64_t seed = 7) {
    return test::random_ids(n, 128, seed);
  }
  static ids tokens_of(const sequence& s) { return {s.tokens().begin(), s.tokens().end()}; }
  static std::vector<float> last(executor& e, const sequence& s) { return copy(*e.last_logits(s)); }
  // Logits after `all` in a sequence that never failed.
  static std::vector<float> want(const ids& all) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(run().append(*s, all)));
    return last(run(), *s);
  }

  static std::unique_ptr<test::tiny_vindex> vindex_;
  static std::unique_ptr<test::running_model> model_;
};
std::unique_ptr<test::tiny_vindex> Executor::vindex_;
std::unique_ptr<test::running_model> Executor::model_;

TEST_F(Executor, HowTokensArriveDoesNotMatter) {
  const auto all = prompt(20);
  const auto expected = want(all);
  for (const auto split : {1u, 3u, 4u, 5u, 19u}) {
    const auto s = model_->new_sequence();
    ASSERT_TRUE(succeeds(run().append(*s, {all.data(), split})));
    ASSERT_TRUE(succeeds(run().append(*s, {all.data() + split, all.size() - split})));
    EXPECT_EQ(last(run(), *s), expected) << split;
    EXPECT_EQ(tokens_of(*s), all);
  }
}

TEST_F(Executor, EachChunkThatIsCompleteIsTold) {
  const auto s = model_->new_sequence();
  auto sizes = ids{};
  const auto tell = [&](std::uint32_t size) { sizes.push_back(size); };
  ASSERT_TRUE(succeeds(run().append(*s, prompt(10), {}, tell))); // chunks of four
  EXPECT_EQ(sizes, (ids{4, 8, 10}));
}

TEST_F(Executor, GivesTheLogitsOfAllRowsOfTheLastPassFromOneProduct) {
  const auto all = prompt(4);
  const auto s = model_->new_sequence();
  ASSERT_TRUE(succeeds(run().append(*s, all)));
  auto rows = std::vector<executor::row>{};
  for (const auto position : {3u, 0u, 2u, 1u}) // in any order
    rows.push_back({s.get(), position});
  const auto logits = copy(*run().logits(rows));
  for (auto i = std::size_t{0}; i < rows.size(); ++i) {
    const auto got =
        std::vector<float>(logits.begin() + static_cast<std::ptrdiff_t>(i * 128),
                           logits.begin() + static_cast<std::ptrdiff_t>((i + 1) * 128));
    EXPECT_EQ(got, want({all.begin(), all.begin() + rows[i].position + 1})) << rows[i].position;
  }
}

TEST_F(Executor, AppendingNothingChangesNothing) {
  const auto s = model_->new_sequence();
  EXPECT_TRUE(succeeds(run().append(*s, {})));
  const auto all = prompt(5);
  ASSERT_TRUE(succeeds(run().append(*s, all)));
  EXPECT_TRUE(succeeds(run().append(*s, {})));
  EXPECT_EQ(last(run(), *s), want(all));
}

// ---- batches ------------------------------------------------------------------------------------

TEST_F(Executor, EverySequenceOfABatchGetsTheBitsThatItGetsAlone) {
  // Lengths on both sides of the window, and an empty one.
  const auto lengths = std::vector<std::size_t>{1, 0, 20, 7, 13};
  auto together = std::vector<std::unique_ptr<sequence>>{}, alone = decltype(together){};
  for (auto i = std::size_t{0}; i < lengths.size(); ++i)
    for (auto* to : {&together, &alone}) {
      to->push_back(model_->new_sequence());
      ASSERT_TRUE(succeeds(run().append(*to->back(), prompt(lengths[i], i))));
    }
  for (auto step = 0u; step < 6; ++step) {
    // Decoded tokens and prompt chunks mixed: sequence i gets one token, or several.
    auto tokens = std::vector<ids>{};
    auto parts = std::vector<executor::part>{};
    auto rows = std::vector<executor::row>{};
    for (auto i = std::size_t{0}; i < lengths.size(); ++i)
      tokens.push_back(prompt((i + step) % 3 == 0 ? 3 : 1, 100 + step * 10 + i));
    for (auto i = std::size_t{0}; i < lengths.size(); ++i) {
      parts.push_back({together[i].get(), tokens[i]});
      rows.push_back({together[i].get(),
                      together[i]->size() + static_cast<std::uint32_t>(tokens[i].size()) - 1});
    }
    ASSERT_TRUE(succeeds(run().run(parts)));
    const auto all = copy(*run().logits(rows));
    for (auto i = std::size_t{0}; i < lengths.size(); ++i) {
      ASSERT_TRUE(succeeds(run().append(*alone[i], tokens[i])));
      EXPECT_EQ(std::vector(all.begin() + static_cast<std::ptrdiff_t>(i * 128),
                            all.begin() + static_cast<std::ptrdiff_t>((i + 1) * 128)),
                last(run(), *alone[i]))
          << "sequence " << i << ", step " << step;
      EXPECT_EQ(tokens_of(*together[i]), tokens_of(*alone[i]));
    }
  }
}

TEST_F(Executor, ABadTokenOfOneLeavesAllAsTheyWere) {
  const auto a = model_->new_sequence(), b = model_->new_sequence();
  ASSERT_TRUE(succeeds(run().append(*a, prompt(3))));
  ASSERT_TRUE(succeeds(run().append(*b, prompt(5))));
  const auto good = ids{1}, bad = ids{128};
  const executor::part parts[] = {{a.get(), good}, {b.get(), bad}};
  EXPECT_TRUE(fails(run().run(parts), errc::usage, {"token id 128", "vocabulary of 128"}));
  EXPECT_EQ(a->size(), 3u);
  EXPECT_EQ(b->size(), 5u);
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(Executor, ATokenOutsideTheVocabularyIsRefusedBeforeAnythingRuns) {
  const auto s = model_->new_sequence();
  EXPECT_TRUE(fails(run().append(*s, ids{1, 2, 128}), errc::usage, {"128", "vocabulary"}));
  EXPECT_TRUE(fails(run().append(*s, ids{~0u}), errc::usage, {"4294967295"}));
  EXPECT_EQ(s->size(), 0u);
}

TEST_F(Executor, MoreThanTheContextIsRefusedAndExactlyTheContextIsNot) {
  const auto s = model_->new_sequence();
  EXPECT_TRUE(fails(run().append(*s, prompt(41)), errc::usage, {"41 tokens after 0", "40"}));
  ASSERT_TRUE(succeeds(run().append(*s, prompt(30))));
  EXPECT_TRUE(fails(run().append(*s, prompt(11)), errc::usage, {"11 tokens after 30", "40"}));
  EXPECT_TRUE(succeeds(run().append(*s, prompt(10))));
  EXPECT_TRUE(fails(run().append(*s, prompt(1)), errc::usage, {"1 tokens after 40"}));
  EXPECT_EQ(s->size(), 40u);
}

TEST_F(Executor, OptionsThatMakeNoSenseAreNamed) {
  const auto create = [&](std::uint32_t chunk, std::uint32_t in_flight) {
    return executor::create(model_->model(), model_->compute(), model_->port(), {chunk, in_flight});
  };
  EXPECT_TRUE(fails(create(0, 1), errc::usage, {"chunk is 0"}));
  EXPECT_TRUE(fails(create(65537, 1), errc::usage, {"chunk is 65537"}));
  EXPECT_TRUE(fails(create(1, 0), errc::usage, {"in flight are 0"}));
  EXPECT_TRUE(fails(create(1, 17), errc::usage, {"in flight are 17"}));
  EXPECT_TRUE(succeeds(create(65536, 16)));
}

TEST_F(Executor, LogitsBeforeAnyTokenAreACallersBug) {
  const auto s = model_->new_sequence();
  EXPECT_DEATH((void) run().last_logits(*s), "check failed");
}

TEST_F(Executor, WithoutMemoryForKeysAPassFailsAndTheSequenceStays) {
  auto o = sequence_options{};
  o.max_context = 400;
  const auto pool = gemma4::kv_pool::create(100'000);
  const auto s = *sequence::create(model_->model(), pool, o);
  auto last_size = 0u;
  auto failed = result<void>{};
  while (failed) {
    last_size = s->size();
    failed = run().append(*s, prompt(4));
  }
  EXPECT_TRUE(fails(failed, errc::unavailable, {"KV memory", "of 100000 bytes are in use"}));
  EXPECT_GT(last_size, 60u);
  EXPECT_EQ(s->size(), last_size);
  EXPECT_LE(pool->used_bytes(), 100'000u);
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(Executor, AnExpertCallThatFailsAnywhereLosesOnlyItsChunk) {
  const auto all = prompt(14); // chunks of 4, 4, 4, 2; three layers each
  const auto expected = want(all);
  for (auto call = 0u; call < 12; ++call)
    for (const auto at_start : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", at_start ? "start" : "wait", call));
      auto port = test::failing_experts{model_->port()};
      const auto e = model_->new_executor(port);
      const auto s = model_->new_sequence();
      if (at_start)
        port.fail_start(call);
      else
        port.fail_wait(call);
      const auto failed = e->append(*s, all);
      if (at_start)
        EXPECT_TRUE(fails(failed, errc::unavailable, {fmt::format("layer {}", call % 3)}));
      else
        EXPECT_TRUE(fails(failed, errc::deadline, {"in time"}));
      const auto kept = call / 3 * 4;
      ASSERT_EQ(s->size(), kept);
      // The logits of what was kept are still there...
      if (kept > 0) {
        EXPECT_EQ(last(*e, *s), want({all.begin(), all.begin() + kept}));
      }
      // ...and the rest goes on as if nothing had happened.
      ASSERT_TRUE(succeeds(e->append(*s, {all.data() + kept, all.size() - kept})));
      EXPECT_EQ(last(*e, *s), expected);
    }
}

TEST_F(Executor, AfterAFailureOtherTokensMayFollow) {
  const auto all = prompt(12);
  auto port = test::failing_experts{model_->port()};
  const auto e = model_->new_executor(port);
  const auto s = model_->new_sequence();
  ASSERT_TRUE(succeeds(e->append(*s, {all.data(), 8})));
  port.fail_wait(1);
  EXPECT_FALSE(e->append(*s, {all.data() + 8, 4}));
  const auto other = ids{5, 6, 7};
  ASSERT_TRUE(succeeds(e->append(*s, other)));
  auto both = ids{all.begin(), all.begin() + 8};
  both.insert(both.end(), other.begin(), other.end());
  EXPECT_EQ(last(*e, *s), want(both));
}

TEST_F(Executor, AStoppedAppendLosesOnlyItsChunk) {
  const auto all = prompt(14);
  const auto expected = want(all);
  for (auto stop_at = 1u; stop_at < 12; ++stop_at) {
    SCOPED_TRACE(stop_at);
    auto port = test::failing_experts{model_->port()};
    const auto e = model_->new_executor(port);
    const auto s = model_->new_sequence();
    auto stop = std::stop_source{};
    port.on_start = [&] {
      if (port.starts() == stop_at)
        stop.request_stop();
    };
    EXPECT_TRUE(fails(e->append(*s, all, stop.get_token()), errc::cancelled, {"layer"}));
    ASSERT_EQ(s->size(), stop_at / 3 * 4);
    ASSERT_TRUE(succeeds(e->append(*s, std::span{all}.subspan(s->size()))));
    EXPECT_EQ(last(*e, *s), expected);
  }
}

TEST_F(Executor, AppendingAfterTheStopDoesNothing) {
  const auto s = model_->new_sequence();
  auto stop = std::stop_source{};
  stop.request_stop();
  EXPECT_TRUE(fails(run().append(*s, prompt(4), stop.get_token()), errc::cancelled, {"layer 0"}));
  EXPECT_EQ(s->size(), 0u);
}

// ---- chunks in flight ---------------------------------------------------------------------------

std::unique_ptr<executor> with_chunks_in_flight(test::running_model& m, experts::expert_port& port,
                                                std::uint32_t count) {
  return *executor::create(m.model(), m.compute(), port, {4, count});
}

TEST_F(Executor, ChunksInFlightGiveTheBitsOfOneAfterTheOther) {
  const auto all = prompt(39);
  const auto expected = want(all);
  for (const auto in_flight : {1u, 2u, 3u, 16u})
    for (const auto seed : {1u, 2u, 3u, 4u, 5u}) {
      SCOPED_TRACE(fmt::format("{} in flight, seed {}", in_flight, seed));
      auto port = test::late_experts{model_->port(), seed};
      const auto e = with_chunks_in_flight(*model_, port, in_flight);
      const auto s = model_->new_sequence();
      ASSERT_TRUE(succeeds(e->append(*s, all)));
      EXPECT_EQ(last(*e, *s), expected);
      EXPECT_LE(port.most_under_way(), in_flight);
      if (in_flight > 1) {
        EXPECT_GT(port.most_under_way(), 1u) << "chunks overlap";
      }
    }
}

TEST_F(Executor, AFailedChunkEndsTheLaterOnesAndKeepsTheEarlierOnes) {
  const auto all = prompt(30);
  const auto expected = want(all);
  for (auto call = 0u; call < 24; ++call)
    for (const auto at_start : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", at_start ? "start" : "wait", call));
      auto late = test::late_experts{model_->port(), call};
      auto port = test::failing_experts{late};
      if (at_start)
        port.fail_start(call);
      else
        port.fail_wait(call);
      const auto e = with_chunks_in_flight(*model_, port, 3);
      const auto s = model_->new_sequence();
      EXPECT_FALSE(e->append(*s, all));
      EXPECT_EQ(late.under_way(), 0u) << "the later chunks were cancelled";
      EXPECT_EQ(s->size() % 4, 0u);
      EXPECT_LE(s->size(), call / 3 * 4);
      if (s->size() != 0) {
        EXPECT_EQ(last(*e, *s), want({all.begin(), all.begin() + s->size()}));
      }
      ASSERT_TRUE(succeeds(e->append(*s, std::span{all}.subspan(s->size()))));
      EXPECT_EQ(last(*e, *s), expected);
    }
}

TEST_F(Executor, ChunksInFlightKeepTheWindowOfThoseBefore) {
  auto options = test::run_options{};
  options.context = 300;
  const auto model = *test::running_model::open(vindex_->path(), options);
  const auto window = model->model().config.window;
  const auto all = prompt(270); // every sliding layer has forgotten its first keys
  ASSERT_LT(window + 2 * gemma4::kv_cache::slack_positions, all.size());
  const auto alone = *executor::create(model->model(), model->compute(), model->port(), {7, 1});
  const auto reference = model->new_sequence();
  ASSERT_TRUE(succeeds(alone->append(*reference, all)));
  const auto expected = last(*alone, *reference);
  for (const auto chunk : {1u, 5u, window, 3 * window})
    for (const auto in_flight : {2u, 7u, 16u}) {
      SCOPED_TRACE(fmt::format("{} chunks of {}", in_flight, chunk));
      auto port = test::late_experts{model->port(), chunk + in_flight};
      const auto e = *executor::create(model->model(), model->compute(), port, {chunk, in_flight});
      const auto s = model->new_sequence();
      ASSERT_TRUE(succeeds(e->append(*s, all)));
      EXPECT_EQ(last(*e, *s), expected);
    }
}

TEST_F(Executor, ChunksOfFarNodesAreAsManyAsTheirCostsSayAndGiveTheSameBits) {
  const auto all = prompt(39);
  const auto expected = want(all);
  auto late = test::late_experts{model_->port(), 1};
  auto far = test::far_experts{late};
  const auto e = *executor::create(model_->model(), model_->compute(), far, {8, 16, true});
  for (auto round = 0; round < 2; ++round) {
    const auto s = model_->new_sequence();
    auto ends = std::vector<std::uint32_t>{};
    ASSERT_TRUE(
        succeeds(e->append(*s, all, {}, [&](std::uint32_t size) { ends.push_back(size); })));
    EXPECT_EQ(last(*e, *s), expected);
    if (round == 0) {
      EXPECT_EQ(ends.front(), 8u) << "nothing was known";
      continue;
    }
    EXPECT_LT(ends.front(), 8u) << "smaller chunks keep more of them in flight";
    EXPECT_GT(late.most_under_way(), 4u);
  }
}

} // namespace
} // namespace larql::generate
