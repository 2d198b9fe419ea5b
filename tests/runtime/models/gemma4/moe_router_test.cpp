// Mirrors runtime/models/gemma4/moe_router.hpp: which experts, in which order, with which weights.

#include "runtime/models/gemma4/moe_router.hpp"

#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace larql::gemma4 {
namespace {

constexpr auto hidden = 64u;

// A router of `experts` with everything neutral, to be edited.
struct fixture {
  fixture(std::uint32_t experts, std::uint32_t top_k)
      : matrix(std::size_t{experts} * hidden), scale(hidden, 1.0f), per_expert(experts, 1.0f) {
    config = test::config_of({});
    config.hidden = hidden;
    config.experts = experts;
    config.top_k = top_k;
  }

  moe_router run(const std::vector<float>& x, kernels::simd_level level) {
    auto t = vindex::layer_tensors{};
    t.router = {quant::encoding::f32, config.experts, hidden,
                reinterpret_cast<const std::byte*>(matrix.data())};
    t.router_scale = scale;
    t.per_expert_scale = per_expert;
    auto router = moe_router{{**kernels::kernels_for(level), pool}, config};
    EXPECT_TRUE(router.run(t, static_cast<std::uint32_t>(x.size() / hidden), x.data()));
    return router;
  }
  moe_router run(const std::vector<float>& x) { return run(x, kernels::best_simd_level()); }

  compute_pool pool{2};
  vindex::model_config config;
  std::vector<float> matrix, scale, per_expert;
};

std::vector<std::uint16_t> ids_of(const moe_router& r) {
  return {r.ids().begin(), r.ids().end()};
}

struct choice {
  std::vector<std::uint32_t> ids;
  std::vector<double> weights;
};

// The definition in double precision, one row.
choice reference(const fixture& f, const float* x) {
  auto square = 0.0;
  for (auto i = 0u; i < hidden; ++i)
    square += double{x[i]} * x[i];
  const auto norm = 1 / std::sqrt(square / hidden + double{f.config.rms_eps});
  auto p = std::vector<double>(f.config.experts);
  for (auto e = 0u; e < f.config.experts; ++e)
    for (auto i = 0u; i < hidden; ++i)
      p[e] += double{f.matrix[e * hidden + i]} * (x[i] * norm * f.scale[i] / std::sqrt(hidden));
  const auto top = *std::max_element(p.begin(), p.end());
  auto sum = 0.0;
  for (auto& v : p)
    sum += v = std::exp(v - top);
  auto order = std::vector<std::uint32_t>(p.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] > p[b]; });
  order.resize(f.config.top_k);
  auto out = choice{order, {}};
  auto chosen = 0.0;
  for (const auto e : order)
    chosen += p[e] / sum;
  for (const auto e : order)
    out.weights.push_back(p[e] / sum / chosen * f.per_expert[e]);
  return out;
}

TEST(MoeRouter, ChoosesAndWeighsLikeTheDefinition) {
  auto f = fixture{16, 4};
  auto random = test::random_source{3};
  f.matrix = test::random_floats(random, 16 * hidden, 2.0f);
  for (auto& s : f.scale)
    s = random.uniform(0.5f, 1.5f);
  for (auto& s : f.per_expert)
    s = random.uniform(0.5f, 1.5f);
  const auto x = test::random_floats(random, 20 * hidden, 5.0f);
  for (const auto level : kernels::simd_levels()) {
    const auto router = f.run(x, level);
    for (auto r = 0u; r < 20; ++r) {
      const auto want = reference(f, x.data() + r * hidden);
      for (auto k = 0u; k < 4; ++k) {
        EXPECT_EQ(router.ids()[r * 4 + k], want.ids[k]) << "row " << r;
        EXPECT_NEAR(router.weights()[r * 4 + k], want.weights[k], 2e-6) << "row " << r;
      }
    }
  }
}

TEST(MoeRouter, TiesGoToTheLowestIndex) {
  auto f = fixture{8, 3};
  const auto x = std::vector<float>(hidden, 1.0f);
  EXPECT_EQ(ids_of(f.run(x)), (std::vector<std::uint16_t>{0, 1, 2})); // everybody equal
  // 5 and 2 lead with the same logit, 7 and 1 follow with the same.
  for (const auto e : {5u, 2u})
    f.matrix[e * hidden] = 4.0f;
  for (const auto e : {7u, 1u})
    f.matrix[e * hidden] = 2.0f;
  const auto router = f.run(x);
  EXPECT_EQ(ids_of(router), (std::vector<std::uint16_t>{2, 5, 1}));
  EXPECT_EQ(router.weights()[0], router.weights()[1]);
}

TEST(MoeRouter, WeightsOfTheChosenAddUpToOneBeforeTheirScales) {
  auto f = fixture{32, 8};
  auto random = test::random_source{4};
  f.matrix = test::random_floats(random, 32 * hidden, 1.0f);
  const auto x = test::random_floats(random, hidden);
  const auto plain = f.run(x);
  EXPECT_NEAR(std::accumulate(plain.weights().begin(), plain.weights().end(), 0.0), 1.0, 1e-6);
  for (auto e = 0u; e < 32; ++e)
    f.per_expert[e] = 1.0f + static_cast<float>(e) / 16;
  const auto scaled = f.run(x);
  for (auto k = 0; k < 8; ++k) {
    EXPECT_EQ(scaled.ids()[k], plain.ids()[k]); // the scale takes no part in the choice
    EXPECT_EQ(scaled.weights()[k], plain.weights()[k] * f.per_expert[plain.ids()[k]]);
  }
}

TEST(MoeRouter, TheSizeOfTheStreamDoesNotMatterButItsDirectionDoes) {
  auto f = fixture{16, 2};
  auto random = test::random_source{5};
  f.matrix = test::random_floats(random, 16 * hidden, 1.0f);
  auto x = test::random_floats(random, hidden, 10.0f);
  const auto want = f.run(x);
  for (auto& v : x)
    v *= 4096; // exact, and eps is lost in both
  const auto larger = f.run(x);
  EXPECT_EQ(larger.ids()[0], want.ids()[0]);
  EXPECT_NEAR(larger.weights()[0], want.weights()[0], 1e-6);
  for (auto& v : x)
    v = -v;
  EXPECT_NE(f.run(x).ids()[0], want.ids()[0]);
}

TEST(MoeRouter, AllExpertsMayBeChosenEachOnce) {
  auto f = fixture{5, 5};
  auto random = test::random_source{6};
  f.matrix = test::random_floats(random, 5 * hidden, 30.0f); // probabilities down to nothing
  const auto router = f.run(test::random_floats(random, hidden));
  auto ids = ids_of(router);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (std::vector<std::uint16_t>{0, 1, 2, 3, 4}));
  for (const auto w : router.weights())
    EXPECT_GE(w, 0.0f);
}

} // namespace
} // namespace larql::gemma4
