// Mirrors executor_options::predispatch: passes in rounds, which ask for the experts of all layers
// at once. With as many dispatches as layers they give the bits of layer after layer.

#include "runtime/generate/executor.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/lying_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;
using ids = std::vector<std::uint32_t>;

constexpr auto layers = 5u;

class PredispatchedPasses : public testing::Test {
protected:
  static void SetUpTestSuite() {
    vindex_ = std::make_unique<test::tiny_vindex>(test::tiny_options{.layers = layers});
    auto options = test::run_options{};
    options.context = 300;
    model_ = *test::running_model::open(vindex_->path(), options);
  }
  static void TearDownTestSuite() {
    model_.reset();
    vindex_.reset();
  }

  static ids text(std::size_t n, std::uint64_t seed = 7) { return test::random_ids(n, 128, seed); }
  static std::unique_ptr<executor> with(experts::expert_port& port, std::uint32_t dispatches,
                                        std::uint32_t chunk = 4, std::uint32_t in_flight = 1) {
    return *executor::create(model_->model(), model_->compute(), port,
                             {chunk, in_flight, false, dispatches});
  }
  static std::unique_ptr<executor> with(std::uint32_t dispatches, std::uint32_t chunk = 4) {
    return with(model_->port(), dispatches, chunk);
  }
  static std::vector<float> last(executor& e, const sequence& s) {
    const auto l = e.last_logits(s);
    EXPECT_TRUE(succeeds(l));
    return l ? std::vector<float>{l->begin(), l->end()} : std::vector<float>{};
  }
  /// After `all`, in chunks of the executor.
  static std::vector<float> after(executor& e, const ids& all) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(e.append(*s, all)));
    return last(e, *s);
  }
  static std::vector<float> want(const ids& all) { return after(model_->executor(), all); }

  static std::unique_ptr<test::tiny_vindex> vindex_;
  static std::unique_ptr<test::running_model> model_;
};
std::unique_ptr<test::tiny_vindex> PredispatchedPasses::vindex_;
std::unique_ptr<test::running_model> PredispatchedPasses::model_;

// ---- exact --------------------------------------------------------------------------------------

TEST_F(PredispatchedPasses, AsManyDispatchesAsLayersGiveTheBitsOfLayerAfterLayer) {
  const auto window = model_->model().config.window;
  const auto all = text(270); // every sliding layer has forgotten its first keys
  ASSERT_LT(window + 2 * gemma4::kv_cache::slack_positions, all.size());
  const auto prompt = std::span{all}.first(260);
  const auto expected = want(all);
  for (const auto chunk : {1u, 5u, window, 3 * window, 260u}) {
    SCOPED_TRACE(chunk);
    auto late = test::late_experts{model_->port(), chunk};
    const auto e = with(late, layers, chunk, 3);
    const auto s = model_->new_sequence();
    ASSERT_TRUE(succeeds(e->append(*s, prompt)));
    for (const auto token : std::span{all}.subspan(prompt.size()))
      ASSERT_TRUE(succeeds(e->append(*s, {&token, 1})));
    EXPECT_EQ(last(*e, *s), expected);
    EXPECT_EQ(late.most_under_way(), layers) << "all layers at once";
  }
}

TEST_F(PredispatchedPasses, MoreDispatchesThanLayersAreAsMany) {
  EXPECT_EQ(after(*with(layers + 3), text(30)), want(text(30)));
}

TEST_F(PredispatchedPasses, SequencesOfAPassGetTheBitsThatTheyGetAlone) {
  for (const auto dispatches : {1u, 2u, layers}) {
    SCOPED_TRACE(dispatches);
    const auto e = with(dispatches, 64);
    const auto lengths = std::vector<std::size_t>{1, 20, 7, 13};
    auto all = std::vector<std::unique_ptr<sequence>>{};
    auto prompts = std::vector<ids>{};
    auto parts = std::vector<executor::part>{};
    for (auto i = std::size_t{0}; i < lengths.size(); ++i) {
      all.push_back(model_->new_sequence());
      prompts.push_back(text(lengths[i], i));
    }
    for (auto i = std::size_t{0}; i < lengths.size(); ++i)
      parts.push_back({all[i].get(), prompts[i]});
    ASSERT_TRUE(succeeds(e->run(parts)));
    for (auto i = std::size_t{0}; i < lengths.size(); ++i) {
      EXPECT_EQ(last(*e, *all[i]), after(*e, prompts[i])) << i;
      if (dispatches == layers) {
        EXPECT_EQ(last(*e, *all[i]), want(prompts[i])) << i;
      }
    }
  }
}

TEST_F(PredispatchedPasses, DraftsOfATreeGetTheBitsOfLayerAfterLayer) {
  const auto e = with(layers);
  const auto all = text(20), tree = text(5, 3);
  const auto parents = std::vector<std::int32_t>{-1, 0, 0, 2, 1};
  const auto rows_of = [&](executor& run) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(run.append(*s, all)));
    const executor::part part[] = {{s.get(), tree, parents}};
    EXPECT_TRUE(succeeds(run.run(part)));
    auto out = std::vector<float>{};
    for (auto i = 0u; i < s->drafts(); ++i)
      out.insert(out.end(), s->draft_row(i).begin(), s->draft_row(i).end());
    return out;
  };
  EXPECT_EQ(rows_of(*e), rows_of(model_->executor()));
}

// A chunk behind another one waits for its end, because its keys are written in every round.
TEST_F(PredispatchedPasses, APassBehindAnotherOneWaitsForItsEnd) {
  auto late = test::late_experts{model_->port(), 1};
  const auto e = with(late, layers, 30);
  const auto all = text(30);
  const auto s = model_->new_sequence(), o = model_->new_sequence();
  auto a = running_pass{model_->model().config}, b = running_pass{model_->model().config},
       c = running_pass{model_->model().config};
  const executor::part first[] = {{s.get(), {all.data(), 18}}};
  const executor::part second[] = {{s.get(), {all.data() + 18, 12}}};
  const executor::part other[] = {{o.get(), all}};
  ASSERT_TRUE(succeeds(e->begin(a, first)));
  ASSERT_TRUE(succeeds(e->begin(b, second)));
  ASSERT_TRUE(succeeds(e->begin(c, other)));
  while (!e->is_done(a)) {
    EXPECT_TRUE(e->would_wait(b));
    ASSERT_TRUE(succeeds(e->advance(a)));
    if (!e->is_done(c)) { // another sequence takes turns with it
      ASSERT_TRUE(succeeds(e->advance(c)));
    }
  }
  EXPECT_FALSE(e->would_wait(b));
  e->finish(a);
  for (auto* p : {&b, &c}) {
    while (!e->is_done(*p))
      ASSERT_TRUE(succeeds(e->advance(*p)));
    e->finish(*p);
  }
  EXPECT_EQ(last(*e, *s), want(all));
  EXPECT_EQ(last(*e, *o), want(all));
}

// ---- approximate --------------------------------------------------------------------------------

TEST_F(PredispatchedPasses, FewerAreFiniteAndDifferent) {
  const auto all = text(40);
  const auto expected = want(all);
  for (const auto dispatches : {1u, 2u, layers - 1}) {
    SCOPED_TRACE(dispatches);
    const auto got = after(*with(dispatches), all);
    EXPECT_TRUE(std::all_of(got.begin(), got.end(), [](float x) { return std::isfinite(x); }));
    EXPECT_NE(got, expected);
  }
}

TEST_F(PredispatchedPasses, APassWaitsForAsManyRoundTripsAsDispatches) {
  for (const auto dispatches : {1u, 2u, layers}) {
    auto port = test::failing_experts{model_->port()};
    const auto e = with(port, dispatches);
    (void) after(*e, text(4));
    EXPECT_EQ(e->stats().layers, dispatches);
    auto batches = 0u;
    for (auto d = 0u; d < dispatches; ++d)
      batches += layers - d;
    EXPECT_EQ(port.starts(), batches) << "exact layers are not asked for again";
  }
}

// ---- what goes wrong ----------------------------------------------------------------------------

TEST_F(PredispatchedPasses, AFailureKeepsTheChunksBeforeItAndLaterOnesWork) {
  const auto all = text(10);
  for (const auto dispatches : {2u, layers}) {
    auto counting = test::failing_experts{model_->port()};
    const auto expected = after(*with(counting, dispatches), all);
    for (auto call = std::size_t{0}; call < counting.starts(); ++call)
      for (const auto at_start : {true, false}) {
        SCOPED_TRACE(
            fmt::format("{} dispatches, {} {}", dispatches, at_start ? "start" : "wait", call));
        auto late = test::late_experts{model_->port(), call};
        auto port = test::failing_experts{late};
        if (at_start)
          port.fail_start(call);
        else
          port.fail_wait(call);
        const auto e = with(port, dispatches);
        const auto s = model_->new_sequence();
        EXPECT_FALSE(e->append(*s, all));
        EXPECT_EQ(late.under_way(), 0u) << "the other layers were cancelled";
        EXPECT_EQ(s->size(), call / (counting.starts() / 3) * 4);
        ASSERT_TRUE(succeeds(e->append(*s, std::span{all}.subspan(s->size()))));
        EXPECT_EQ(last(*e, *s), expected);
      }
  }
}

TEST_F(PredispatchedPasses, AStopEndsAPassWhereverItIs) {
  const auto all = text(4);
  const auto e = with(2);
  const auto expected = after(*e, all);
  auto stopped = 0u; // passes
  for (auto is_whole = false; !is_whole; ++stopped) {
    SCOPED_TRACE(stopped);
    const auto s = model_->new_sequence();
    auto p = running_pass{model_->model().config};
    auto stop = std::stop_source{};
    const executor::part part[] = {{s.get(), all, {}, stop.get_token()}};
    ASSERT_TRUE(succeeds(e->begin(p, part)));
    for (auto steps = 0u; !e->is_done(p) && steps < stopped; ++steps)
      ASSERT_TRUE(succeeds(e->advance(p)));
    is_whole = e->is_done(p);
    stop.request_stop();
    while (p.is_active() && !e->is_done(p))
      (void) e->advance(p);
    if (p.is_active())
      e->finish(p);
    EXPECT_TRUE(s->size() == 0 || s->size() == all.size());
    EXPECT_EQ(after(*e, all), expected);
  }
  EXPECT_GT(stopped, 3 * layers);
}

TEST_F(PredispatchedPasses, APartThatIsStoppedLeavesTheOthersAsTheyAre) {
  const auto first = text(3, 1), stopped = text(9, 2), last_one = text(12, 3);
  for (const auto dispatches : {2u, layers}) {
    const auto e = with(dispatches, 64);
    const auto expected_first = after(*e, first), expected_last = after(*e, last_one);
    auto stop_at = 0u; // step
    for (auto is_whole = false; !is_whole; ++stop_at) {
      SCOPED_TRACE(fmt::format("{} dispatches, stopped at step {}", dispatches, stop_at));
      const auto a = model_->new_sequence(), b = model_->new_sequence(), c = model_->new_sequence();
      auto p = running_pass{model_->model().config};
      auto stop = std::stop_source{};
      const executor::part parts[] = {
          {a.get(), first}, {b.get(), stopped, {}, stop.get_token()}, {c.get(), last_one}};
      ASSERT_TRUE(succeeds(e->begin(p, parts)));
      for (auto steps = 0u; !e->is_done(p); ++steps) {
        if (steps == stop_at)
          stop.request_stop();
        ASSERT_TRUE(succeeds(e->advance(p)));
      }
      is_whole = !stop.stop_requested();
      e->finish(p);
      EXPECT_EQ(last(*e, *a), expected_first);
      EXPECT_EQ(last(*e, *c), expected_last);
      EXPECT_EQ(b->size() == 0, p.is_left_out(1));
    }
    EXPECT_GT(stop_at, 3 * layers);
  }
}

TEST_F(PredispatchedPasses, WhatALiarHadAPartInIsReadAgain) {
  auto port = test::lying_experts{model_->port()};
  const auto e = with(port, layers);
  const auto all = text(12);
  const auto s = model_->new_sequence();
  ASSERT_TRUE(succeeds(e->append(*s, std::span{all}.first(8))));
  port.incarnation = 2;
  port.lies = true;
  ASSERT_TRUE(succeeds(e->append(*s, std::span{all}.subspan(8))));
  EXPECT_NE(last(*e, *s), want(all));
  port.ledger.condemn(2, "its answer");
  port.incarnation = 1;
  port.lies = false;
  const auto read = e->renew(*s);
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, 4u);
  EXPECT_EQ(last(*e, *s), want(all));
}

} // namespace
} // namespace larql::generate
