// Mirrors runtime/speculation/mtp_drafter.hpp.

#include "runtime/speculation/mtp_drafter.hpp"

#include "runtime/generate/sampler.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/plain_drafter.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_drafter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace larql::speculation {
namespace {

using test::fails;
using test::succeeds;
using ids = std::vector<std::uint32_t>;

class MtpDrafter : public testing::Test {
protected:
  MtpDrafter() {
    test::tiny_drafter{vindex_.config()}.add_to(vindex_.path());
    model_ = *test::running_model::open(vindex_.path());
  }
  [[nodiscard]] std::shared_ptr<mtp_source> open(float least_chance = 0) {
    return *mtp_source::open(model_->model(), model_->compute(), {least_chance});
  }
  // All but the last token.
  void read(generate::sequence& s, const ids& text) {
    ASSERT_TRUE(succeeds(model_->executor().append(
        s, std::span{text}.subspan(s.size(), text.size() - 1 - s.size()))));
  }
  static generate::draft_tree propose(drafter& d, const drafted_text& text, std::size_t most) {
    auto out = generate::draft_tree{};
    d.propose(text, most, out);
    return out;
  }
  // What the plain drafter holds likeliest, one after the other, and how likely.
  [[nodiscard]] std::pair<ids, std::vector<double>> plain(const generate::sequence& s,
                                                          std::uint32_t last, std::size_t count) {
    const auto config = **vindex::read_drafter(vindex_.path(), vindex_.config());
    const auto weights = *vindex::drafter_weights::open(vindex_.path(), config);
    const auto d = test::plain_drafter{model_->model(), config, weights};
    auto chain = ids{last};
    auto chances = std::vector<double>{};
    for (auto i = std::size_t{0}; i < count; ++i) {
      const auto logits = d.logits(s, chain).back();
      const auto best = std::max_element(logits.begin(), logits.end());
      auto sum = 0.0;
      for (const auto x : logits)
        sum += std::exp(x - *best);
      chances.push_back(1 / sum);
      chain.push_back(static_cast<std::uint32_t>(best - logits.begin()));
    }
    return {{chain.begin() + 1, chain.end()}, chances};
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_F(MtpDrafter, SaysTheChainOfThePlainDrafterWhateverBecameOfItsDrafts) {
  const auto source = open();
  const auto d = source->begin("");
  const auto text = test::random_ids(60, 128);
  const auto s = model_->new_sequence();
  for (auto length = std::size_t{3}; length < text.size(); length += 1 + length % 7) {
    SCOPED_TRACE(length);
    const auto part = ids{text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length)};
    read(*s, part);
    const auto tree = propose(*d, {part, s.get()}, 5);
    const auto [tokens, chances] = plain(*s, part.back(), 5);
    EXPECT_EQ(tree.tokens, tokens);
    EXPECT_EQ(tree.parents, (std::vector<std::int32_t>{-1, 0, 1, 2, 3}));
    for (auto i = std::size_t{0}; i < 5; ++i)
      EXPECT_NEAR(static_cast<double>(tree.chances[i]), chances[i], 1e-3);
  }
}

TEST_F(MtpDrafter, SequencesDoNotMixAndTheirStateStays) {
  const auto source = open();
  const auto one = source->begin("a"), other = source->begin("b");
  const auto a = test::random_ids(20, 128, 1), b = test::random_ids(33, 128, 2);
  const auto in_a = model_->new_sequence(), in_b = model_->new_sequence();
  read(*in_a, a);
  read(*in_b, b);
  const auto of_a = propose(*one, {a, in_a.get()}, 4), of_b = propose(*other, {b, in_b.get()}, 4);
  EXPECT_NE(of_a.tokens, of_b.tokens);
  EXPECT_EQ(propose(*one, {a, in_a.get()}, 4), of_a);
  EXPECT_EQ(propose(*other, {b, in_b.get()}, 4), of_b);
}

TEST_F(MtpDrafter, IsSilentWhereItCannotSeeTheTextOrIsNotSure) {
  const auto source = open();
  const auto d = source->begin("");
  const auto text = test::random_ids(20, 128);
  const auto s = model_->new_sequence();
  EXPECT_TRUE(propose(*d, {text}, 5).empty()) << "nothing is known of the text";
  EXPECT_TRUE(propose(*d, {std::span{text}.first(1), s.get()}, 5).empty()) << "nothing was read";
  read(*s, text);
  EXPECT_FALSE(propose(*d, {text, s.get()}, 5).empty());
  EXPECT_TRUE(propose(*d, {text, s.get()}, 0).empty());
  EXPECT_TRUE(propose(*d, {std::span{text}.first(15), s.get()}, 5).empty()) << "another text";
  EXPECT_TRUE(propose(*open(1.0f)->begin(""), {text, s.get()}, 5).empty());
  s->release_scratch(); // its final hidden row is gone
  EXPECT_TRUE(propose(*d, {text, s.get()}, 5).empty());
}

TEST_F(MtpDrafter, AVindexWithoutADrafterIsNamedWithTheWayToGetOne) {
  const auto v = test::tiny_vindex{};
  const auto m = *test::running_model::open(v.path());
  EXPECT_TRUE(fails(mtp_source::open(m->model(), m->compute(), {}), errc::usage,
                    {v.path().string(), "no drafter", "larql extract"}));
}

} // namespace
} // namespace larql::speculation
