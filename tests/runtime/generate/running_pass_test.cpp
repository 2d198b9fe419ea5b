// Mirrors runtime/generate/running_pass.hpp: passes that take turns, parts that leave one.

#include "runtime/generate/executor.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;
using ids = std::vector<std::uint32_t>;

constexpr auto layers = 3u;

class RunningPass : public testing::Test {
protected:
  static void SetUpTestSuite() {
    vindex_ = std::make_unique<test::tiny_vindex>();
    auto options = test::run_options{};
    options.context = 60;
    model_ = *test::running_model::open(vindex_->path(), options);
  }
  static void TearDownTestSuite() {
    model_.reset();
    vindex_.reset();
  }

  static ids text(std::size_t n, std::uint64_t seed = 7) { return test::random_ids(n, 128, seed); }
  static std::vector<float> last(executor& e, const sequence& s) {
    const auto l = *e.last_logits(s);
    return {l.begin(), l.end()};
  }
  static std::vector<float> want(const ids& all) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(model_->executor().append(*s, all)));
    return last(model_->executor(), *s);
  }
  static std::unique_ptr<sequence> with(executor& e, const ids& tokens) {
    auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(e.append(*s, tokens)));
    return s;
  }
  static void run_to_end(executor& e, running_pass& p) {
    while (!e.is_done(p))
      ASSERT_TRUE(succeeds(e.advance(p)));
    e.finish(p);
  }

  static std::unique_ptr<test::tiny_vindex> vindex_;
  static std::unique_ptr<test::running_model> model_;
};
std::unique_ptr<test::tiny_vindex> RunningPass::vindex_;
std::unique_ptr<test::running_model> RunningPass::model_;

// ---- taking turns -------------------------------------------------------------------------------

TEST_F(RunningPass, PassesThatTakeTurnsGiveTheBitsOfPassesAlone) {
  for (const auto seed : {1u, 2u, 3u, 4u}) {
    SCOPED_TRACE(seed);
    auto port = test::late_experts{model_->port(), seed};
    const auto e = model_->new_executor(port);
    const auto prompts = std::vector<ids>{text(20, 1), text(13, 2), text(1, 3), text(9, 4)};
    auto all = std::vector<std::unique_ptr<sequence>>{};
    for (auto i = 0; i < 4; ++i)
      all.push_back(model_->new_sequence());
    auto a = running_pass{model_->model().config}, b = running_pass{model_->model().config};
    const executor::part first[] = {{all[0].get(), prompts[0]}, {all[1].get(), prompts[1]}};
    const executor::part second[] = {{all[2].get(), prompts[2]}, {all[3].get(), prompts[3]}};
    ASSERT_TRUE(succeeds(e->begin(a, first)));
    ASSERT_TRUE(succeeds(e->begin(b, second)));
    while (!e->is_done(a) || !e->is_done(b)) {
      auto& next = e->is_done(a) || (!e->is_done(b) && e->would_wait(a)) ? b : a;
      ASSERT_TRUE(succeeds(e->advance(next)));
    }
    EXPECT_EQ(port.most_under_way(), 2u);
    e->finish(b);
    e->finish(a);
    for (auto i = std::size_t{0}; i < 4; ++i)
      EXPECT_EQ(last(*e, *all[i]), want(prompts[i])) << i;
  }
}

TEST_F(RunningPass, TheNextChunkOfAPromptStaysBehindTheOneBefore) {
  auto port = test::late_experts{model_->port(), 1};
  const auto e = model_->new_executor(port);
  const auto all = text(30);
  const auto s = model_->new_sequence();
  auto a = running_pass{model_->model().config}, b = running_pass{model_->model().config};
  const executor::part first[] = {{s.get(), {all.data(), 18}}};
  const executor::part second[] = {{s.get(), {all.data() + 18, 12}}};
  ASSERT_TRUE(succeeds(e->begin(a, first)));
  ASSERT_TRUE(succeeds(e->begin(b, second)));
  EXPECT_TRUE(e->would_wait(b)) << "the first layer's attention of the chunk before is missing";
  while (!e->is_done(a)) {
    ASSERT_TRUE(succeeds(e->advance(a)));
    if (!e->is_done(b) && !e->would_wait(b)) {
      ASSERT_TRUE(succeeds(e->advance(b)));
    }
  }
  e->finish(a);
  EXPECT_EQ(s->size(), 18u);
  run_to_end(*e, b);
  EXPECT_EQ(s->size(), 30u);
  EXPECT_EQ(last(*e, *s), want(all));
}

TEST_F(RunningPass, TokensBehindAPassThatWasDroppedAreLeftOut) {
  auto& e = model_->executor();
  const auto all = text(20), other = text(5, 9);
  const auto s = with(e, text(3, 8)), o = model_->new_sequence();
  auto a = running_pass{model_->model().config}, b = running_pass{model_->model().config};
  const executor::part first[] = {{s.get(), {all.data(), 12}}};
  const executor::part second[] = {{s.get(), {all.data() + 12, 8}}, {o.get(), other}};
  ASSERT_TRUE(succeeds(e.begin(a, first)));
  ASSERT_TRUE(succeeds(e.begin(b, second)));
  ASSERT_TRUE(succeeds(e.advance(a)));
  ASSERT_TRUE(succeeds(e.advance(b)));
  e.drop(a);
  run_to_end(e, b);
  EXPECT_TRUE(b.is_left_out(0));
  EXPECT_FALSE(b.is_left_out(1));
  EXPECT_EQ(s->size(), 3u);
  EXPECT_EQ(last(e, *o), want(other)) << "the others of that pass do not notice";
  ASSERT_TRUE(succeeds(e.append(*s, all)));
  auto whole = text(3, 8);
  whole.insert(whole.end(), all.begin(), all.end());
  EXPECT_EQ(last(e, *s), want(whole));
}

// ---- leaving ------------------------------------------------------------------------------------

TEST_F(RunningPass, APartLeavesAtAnyLayerAndTheOthersDoNotNotice) {
  const auto prompts = std::vector<ids>{text(6, 1), text(11, 2), text(1, 3)};
  for (auto leaver = std::size_t{0}; leaver < 3; ++leaver)
    for (auto at = 0u; at < 2 * layers; ++at) {
      SCOPED_TRACE(fmt::format("part {} leaves after {} steps", leaver, at));
      auto& e = model_->executor();
      auto all = std::vector<std::unique_ptr<sequence>>{};
      auto stops = std::vector<std::stop_source>(3);
      auto parts = std::vector<executor::part>{};
      for (auto i = std::size_t{0}; i < 3; ++i) {
        all.push_back(with(e, text(4, 30 + i)));
        parts.push_back({all[i].get(), prompts[i], {}, stops[i].get_token()});
      }
      auto p = running_pass{model_->model().config};
      ASSERT_TRUE(succeeds(e.begin(p, parts)));
      for (auto step = 0u; step < at; ++step)
        ASSERT_TRUE(succeeds(e.advance(p)));
      stops[leaver].request_stop();
      run_to_end(e, p);
      for (auto i = std::size_t{0}; i < 3; ++i) {
        auto whole = text(4, 30 + i);
        if (!p.is_left_out(i))
          whole.insert(whole.end(), prompts[i].begin(), prompts[i].end());
        EXPECT_TRUE(i == leaver || !p.is_left_out(i));
        EXPECT_EQ(all[i]->size(), whole.size());
        EXPECT_EQ(last(e, *all[i]), want(whole));
      }
      EXPECT_EQ(p.is_left_out(leaver), at < 2 * layers - 1) << "from the next layer on";
    }
}

TEST_F(RunningPass, OneWhoseRowsHaveLeftSendsNoneToTheExperts) {
  auto port = test::failing_experts{model_->port()};
  const auto e = model_->new_executor(port);
  const auto a = model_->new_sequence(), b = model_->new_sequence();
  auto stop = std::stop_source{};
  const auto prompt = text(5);
  const executor::part parts[] = {{a.get(), prompt, {}, stop.get_token()}, {b.get(), prompt}};
  auto p = running_pass{model_->model().config};
  ASSERT_TRUE(succeeds(e->begin(p, parts)));
  EXPECT_EQ(p.rows(), 10u);
  ASSERT_TRUE(succeeds(e->advance(p)));
  stop.request_stop();
  ASSERT_TRUE(succeeds(e->advance(p))); // what was sent is waited for
  ASSERT_TRUE(succeeds(e->advance(p)));
  EXPECT_EQ(p.rows(), 5u);
  run_to_end(*e, p);
}

TEST_F(RunningPass, WhenAllLeaveThePassEnds) {
  auto& e = model_->executor();
  const auto a = model_->new_sequence(), b = model_->new_sequence();
  auto stop = std::stop_source{};
  const auto prompt = text(5);
  const executor::part parts[] = {{a.get(), prompt, {}, stop.get_token()},
                                  {b.get(), prompt, {}, stop.get_token()}};
  auto p = running_pass{model_->model().config};
  ASSERT_TRUE(succeeds(e.begin(p, parts)));
  ASSERT_TRUE(succeeds(e.advance(p)));
  ASSERT_TRUE(succeeds(e.advance(p)));
  stop.request_stop();
  while (!e.is_done(p) && p.is_active())
    if (!e.advance(p))
      break;
  if (p.is_active())
    e.finish(p);
  EXPECT_TRUE(p.is_left_out(0) && p.is_left_out(1));
  EXPECT_EQ(a->size(), 0u);
  EXPECT_EQ(b->size(), 0u);
  ASSERT_TRUE(succeeds(e.append(*a, prompt)));
  EXPECT_EQ(last(e, *a), want(prompt));
}

TEST_F(RunningPass, AFailureDropsThePassAndNoOther) {
  const auto prompts = std::vector<ids>{text(6, 1), text(11, 2)};
  for (auto call = 0u; call < layers; ++call) {
    auto port = test::failing_experts{model_->port()};
    const auto e = model_->new_executor(port);
    const auto a = model_->new_sequence(), b = model_->new_sequence();
    auto p = running_pass{model_->model().config}, q = running_pass{model_->model().config};
    const executor::part first[] = {{a.get(), prompts[0]}};
    const executor::part second[] = {{b.get(), prompts[1]}};
    ASSERT_TRUE(succeeds(e->begin(p, first)));
    ASSERT_TRUE(succeeds(e->begin(q, second)));
    port.fail_wait(call);
    auto failed = result<void>{};
    while (failed && !e->is_done(p))
      failed = e->advance(p);
    EXPECT_TRUE(fails(failed, errc::deadline, {"in time"}));
    EXPECT_FALSE(p.is_active());
    EXPECT_EQ(a->size(), 0u);
    run_to_end(*e, q);
    EXPECT_EQ(last(*e, *b), want(prompts[1]));
  }
}

TEST_F(RunningPass, TheContextCountsTokensUnderWay) {
  auto& e = model_->executor();
  const auto s = model_->new_sequence();
  const auto all = text(60);
  auto a = running_pass{model_->model().config}, b = running_pass{model_->model().config};
  const executor::part first[] = {{s.get(), {all.data(), 50}}};
  const executor::part second[] = {{s.get(), {all.data(), 11}}};
  ASSERT_TRUE(succeeds(e.begin(a, first)));
  EXPECT_TRUE(fails(e.begin(b, second), errc::usage, {"11 tokens after 50", "60"}));
  run_to_end(e, a);
}

} // namespace
} // namespace larql::generate
