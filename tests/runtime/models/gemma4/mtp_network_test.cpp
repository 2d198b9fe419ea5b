// Mirrors runtime/models/gemma4/mtp_network.hpp: its logits are those of the plain drafter, at any
// length of the text, and the same bits everywhere.

#include "runtime/models/gemma4/mtp_network.hpp"

#include "runtime/generate/sampler.hpp"
#include "runtime/vindex/manifest.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/plain_drafter.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_drafter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace larql::gemma4 {
namespace {

using quant::encoding;
using test::drafter_options;
using ids = std::vector<std::uint32_t>;
using floats = std::vector<float>;

/// A model with a drafter, and a text that it has read but for the last token.
class reader {
public:
  reader(const test::tiny_vindex& v, const test::run_options& o)
      : model_(*test::running_model::open(v.path(), o)),
        config_(**vindex::read_drafter(v.path(), v.config())),
        weights_(*vindex::drafter_weights::open(v.path(), config_)),
        network_(model_->model(), config_, weights_, model_->compute()),
        plain_(model_->model(), config_, weights_),
        sequence_(model_->new_sequence()) {}

  void read(const ids& text) {
    ASSERT_TRUE(test::succeeds(model_->executor().append(
        *sequence_,
        std::span{text}.subspan(sequence_->size(), text.size() - 1 - sequence_->size()))));
    last_ = text.back();
  }
  // Logits of a chain of guesses, and the guesses.
  std::vector<floats> draft(std::size_t count) {
    network_.begin(sequence_->cache(), sequence_->size(),
                   *sequence_->row_at(sequence_->size() - 1));
    auto out = std::vector<floats>{};
    chain_ = {last_};
    for (auto i = std::size_t{0}; i < count; ++i) {
      const auto logits = network_.step(chain_.back());
      EXPECT_TRUE(logits.has_value());
      out.emplace_back(logits->begin(), logits->end());
      chain_.push_back(generate::argmax(*logits));
    }
    chain_.pop_back();
    return out;
  }
  // The same by the plain drafter, which is given the guesses of the last draft().
  [[nodiscard]] std::vector<std::vector<double>> expected() const {
    return plain_.logits(*sequence_, chain_);
  }
  [[nodiscard]] generate::sequence& sequence() { return *sequence_; }
  [[nodiscard]] test::running_model& model() { return *model_; }

private:
  std::unique_ptr<test::running_model> model_;
  vindex::drafter_config config_;
  vindex::drafter_weights weights_;
  mtp_network network_;
  test::plain_drafter plain_;
  std::unique_ptr<generate::sequence> sequence_;
  std::uint32_t last_ = 0;
  ids chain_;
};

test::tiny_vindex vindex_with(const test::tiny_options& model, const drafter_options& drafter) {
  auto out = test::tiny_vindex{model};
  test::tiny_drafter{out.config(), drafter}.add_to(out.path());
  return out;
}

double largest_difference(const floats& a, const std::vector<double>& b) {
  auto out = 0.0;
  for (auto i = std::size_t{0}; i < a.size(); ++i)
    out = std::max(out, std::abs(static_cast<double>(a[i]) - b[i]));
  return out;
}

TEST(MtpNetwork, LogitsAreThoseOfThePlainDrafterAtAnyLengthOfTheText) {
  for (const auto kv : {kv_format::f32, kv_format::f16})
    for (const auto& sliding :
         {std::vector{true, true, false}, std::vector{false}, std::vector{true}}) {
      auto o = drafter_options{};
      o.sliding = sliding;
      const auto v = vindex_with({}, o);
      auto run = test::run_options{};
      run.kv = kv;
      auto r = reader{v, run};
      const auto text = test::random_ids(100, 128);
      for (const auto length : {2u, 3u, 8u, 9u, 10u, 64u, 65u, 100u}) { // the window is 8
        SCOPED_TRACE(length);
        r.read({text.begin(), text.begin() + length});
        const auto got = r.draft(4);
        const auto want = r.expected();
        for (auto i = std::size_t{0}; i < got.size(); ++i)
          EXPECT_LT(largest_difference(got[i], want[i]), 2e-4) << "guess " << i;
      }
    }
}

TEST(MtpNetwork, RoundedWeightsGiveNearlyThePlainDraftersLogits) {
  for (const auto e : {encoding::bf16, encoding::q8_0, encoding::q4_0, encoding::q4_k}) {
    SCOPED_TRACE(quant::name_of(e));
    auto o = drafter_options{};
    o.matrices = e;
    if (e == encoding::q4_k) {
      o.hidden = o.dense_width = 256;
      o.q_heads = 8;
    }
    const auto v = vindex_with({}, o);
    auto r = reader{v, {}};
    r.read(test::random_ids(30, 128));
    const auto got = r.draft(2);
    const auto want = r.expected();
    for (auto i = std::size_t{0}; i < got.size(); ++i) {
      // Inputs are rounded to eight bits in front of each matrix of blocks.
      const auto size =
          std::sqrt(std::inner_product(want[i].begin(), want[i].end(), want[i].begin(), 0.0) /
                    static_cast<double>(want[i].size()));
      EXPECT_LT(largest_difference(got[i], want[i]), e == encoding::bf16 ? 1e-3 : 0.1 * size);
    }
  }
}

TEST(MtpNetwork, NothingOfTheMachineChangesABit) {
  for (const auto e : {encoding::f32, encoding::q8_0}) {
    auto o = drafter_options{};
    o.matrices = e;
    const auto v = vindex_with({}, o);
    const auto text = test::random_ids(40, 128);
    auto run = test::run_options{};
    run.kv = kv_format::f16;
    run.simd = kernels::simd_level::scalar;
    auto first = reader{v, run};
    first.read(text);
    const auto want = first.draft(3);
    for (const auto level : kernels::simd_levels())
      for (const auto threads : {1u, 2u, 5u}) {
        SCOPED_TRACE(fmt::format("{} {} threads", name_of(level), threads));
        run.simd = level;
        run.threads = threads;
        run.chunk = threads;
        auto r = reader{v, run};
        r.read(text);
        EXPECT_EQ(r.draft(3), want);
      }
  }
}

TEST(MtpNetwork, DraftsThatWereRejectedAndDraftsBeforeLeaveNoTrace) {
  const auto v = vindex_with({}, {});
  auto run = test::run_options{};
  auto r = reader{v, run};
  const auto text = test::random_ids(30, 128);
  r.read({text.begin(), text.begin() + 20});
  (void) r.draft(5);
  // A pass tries two drafts; the first is accepted.
  const auto root = ids{text[19], text[20], 77};
  const auto parents = std::vector<std::int32_t>{-1, 0, 1};
  const auto part = generate::executor::part{&r.sequence(), root, parents};
  ASSERT_TRUE(test::succeeds(r.model().executor().run({&part, 1})));
  ASSERT_TRUE(test::succeeds(r.sequence().accept(ids{0, 1})));
  r.read({text.begin(), text.begin() + 22});
  const auto got = r.draft(5);
  auto fresh = reader{v, run};
  fresh.read({text.begin(), text.begin() + 22});
  EXPECT_EQ(got, fresh.draft(5));
  // Nor do they change what the model goes on with.
  const auto row = *r.sequence().row_at(r.sequence().size() - 1);
  const auto other = *fresh.sequence().row_at(fresh.sequence().size() - 1);
  EXPECT_TRUE(std::equal(row.begin(), row.end(), other.begin(), other.end()));
}

TEST(MtpNetwork, NumbersThatAreNotFiniteGiveNoLogits) {
  const auto v = test::tiny_vindex{};
  auto drafter = test::tiny_drafter{v.config()};
  drafter.add_to(v.path());
  // A factor of the last layer: everything behind it.
  const auto manifest = *vindex::read_matrix_manifest(
      v / "drafter_weights_manifest.json", std::filesystem::file_size(v / "drafter_weights.bin"));
  const auto it = std::find_if(manifest.begin(), manifest.end(),
                               [](const auto& e) { return e.key == "layers.2.layer_scalar"; });
  ASSERT_NE(it, manifest.end());
  test::overwrite_number(v / "drafter_weights.bin", it->offset, std::nanf(""));
  auto r = reader{v, {}};
  r.read(test::random_ids(10, 128));
  const auto config = **vindex::read_drafter(v.path(), v.config());
  const auto weights = *vindex::drafter_weights::open(v.path(), config);
  auto network = mtp_network{r.model().model(), config, weights, r.model().compute()};
  network.begin(r.sequence().cache(), r.sequence().size(),
                *r.sequence().row_at(r.sequence().size() - 1));
  EXPECT_FALSE(network.step(1));
}

} // namespace
} // namespace larql::gemma4
