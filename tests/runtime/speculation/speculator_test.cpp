// Mirrors runtime/speculation/speculator.hpp.

#include "runtime/speculation/speculator.hpp"

#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

/// Gives the same tree always, and counts how often it is asked.
class fixed_source final : public drafter_source {
public:
  explicit fixed_source(generate::draft_tree tree, bool slow = false)
      : tree_(std::move(tree)), slow_(slow) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "fixed"; }
  [[nodiscard]] bool takes_time() const noexcept override { return slow_; }
  [[nodiscard]] std::unique_ptr<drafter> begin(std::string_view) override {
    return std::make_unique<own_drafter>(*this);
  }
  int asked = 0;

private:
  class own_drafter final : public drafter {
  public:
    explicit own_drafter(fixed_source& from) : from_(from) {}
    void propose(const drafted_text&, std::size_t, generate::draft_tree& out) override {
      ++from_.asked;
      out = from_.tree_;
    }

  private:
    fixed_source& from_;
  };

  generate::draft_tree tree_;
  bool slow_;
};

generate::draft_tree some_tree() {
  auto out = generate::draft_tree{};
  out.add(1, -1, 0.6f);
  out.add(2, -1, 0.3f);
  out.add(3, 0, 0.9f);
  out.add(4, 1, 0.5f);
  return out;
}

class Speculator : public testing::Test {
protected:
  options with(mode how, std::size_t drafts, std::vector<std::shared_ptr<fixed_source>> sources) {
    auto o = options{};
    o.how = how;
    o.drafts = drafts;
    o.sources.assign(sources.begin(), sources.end());
    return o;
  }
  /// One answer's tree for a pass.
  generate::draft_tree plan(speculator& s, answer_drafts& to) {
    const auto w = speculator::wish{&to, {text_}, &state_};
    (void) s.plan({&w, 1}, 1);
    return to.tree;
  }

  ids text_{7, 8};
  generate::generation state_{generate::generation_options{}};
};

TEST_F(Speculator, IsOffWithoutDraftersOrWish) {
  EXPECT_FALSE(speculator{options{}}.is_on());
  EXPECT_FALSE(speculator{with(mode::automatic, 0, {})}.is_on());
  EXPECT_TRUE(
      speculator{with(mode::fixed, 3, {std::make_shared<fixed_source>(some_tree())})}.is_on());
}

TEST_F(Speculator, AFixedNumberTakesTheLikeliestOfATree) {
  auto s = speculator{with(mode::fixed, 3, {std::make_shared<fixed_source>(some_tree())})};
  auto a = s.begin("");
  const auto tree = plan(s, a);
  EXPECT_EQ(tree.tokens, (ids{1, 2, 3})) << "0.6, 0.3 and 0.54";
  EXPECT_EQ(tree.parents, (std::vector<std::int32_t>{-1, -1, 0}));
}

TEST_F(Speculator, LeavesOutWhatTheAnswerCannotHave) {
  auto o = generate::generation_options{};
  o.stop_tokens = {1};
  state_ = generate::generation{o};
  auto s = speculator{with(mode::fixed, 4, {std::make_shared<fixed_source>(some_tree())})};
  auto a = s.begin("");
  EXPECT_EQ(plan(s, a).tokens, (ids{2, 4}));
}

TEST_F(Speculator, TakesTheDrafterWhoseTreeIsWorthMost) {
  auto better = generate::draft_tree::chain(ids{9, 9, 9});
  auto s = speculator{
      with(mode::fixed, 4,
           {std::make_shared<fixed_source>(some_tree()), std::make_shared<fixed_source>(better)})};
  auto a = s.begin("");
  EXPECT_EQ(plan(s, a).tokens, (ids{9, 9, 9}));
  EXPECT_EQ(a.source, 1u);
  for (auto i = 0; i < 60 && a.source == 1; ++i) { // until its word is worth nothing
    s.verified(a, {});
    (void) plan(s, a);
  }
  EXPECT_EQ(a.source, 0u);
}

TEST_F(Speculator, AsksASlowDrafterOnlyWhereAQuickOneIsNotSure) {
  const auto slow = std::make_shared<fixed_source>(some_tree(), true);
  auto unsure = speculator{
      with(mode::fixed, 4, {std::make_shared<fixed_source>(generate::draft_tree{}), slow})};
  auto a = unsure.begin("");
  EXPECT_EQ(plan(unsure, a).size(), 4u);
  EXPECT_EQ(slow->asked, 1);
  auto sure = speculator{
      with(mode::fixed, 4,
           {std::make_shared<fixed_source>(generate::draft_tree::chain(ids{5, 5, 5})), slow})};
  auto b = sure.begin("");
  EXPECT_EQ(plan(sure, b).size(), 3u);
  EXPECT_EQ(slow->asked, 1);
}

TEST_F(Speculator, RemembersWhatDraftersWereWorth) {
  const auto dir = test::temporary_directory{};
  const auto tree = generate::draft_tree::chain(ids{5, 6});
  auto o = with(mode::automatic, 0, {std::make_shared<fixed_source>(tree)});
  o.memory = dir / "speculation.json";
  o.place = "nodes";
  {
    auto s = speculator{o};
    auto a = s.begin("");
    a.tree = tree;
    for (auto i = 0; i < 60; ++i)
      s.verified(a, {}); // never right
  }
  const auto ask = [&](const std::string& place) {
    o.place = place;
    auto s = speculator{o};
    for (auto i = 0; i < 3; ++i)
      s.passed({1, 0, 1, 1, 1.0});
    s.passed({3, 0, 1, 1, 1.5});
    auto a = s.begin("");
    return plan(s, a).size();
  };
  EXPECT_EQ(ask("nodes"), 0u);
  EXPECT_EQ(ask("local"), 2u) << "of another link nothing is known";
}

} // namespace
} // namespace larql::speculation
