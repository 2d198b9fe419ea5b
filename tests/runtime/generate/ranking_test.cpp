// Mirrors runtime/generate/ranking.hpp: the places of the full sort, for logits of every shape.

#include "runtime/generate/ranking.hpp"

#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace larql::generate {
namespace {

const kernels::kernel_set& kernels_here() {
  return **kernels::kernels_for(kernels::best_simd_level());
}

/// All tokens in the order of their rank, with the masses of the definition.
struct full_sort {
  std::vector<std::uint32_t> ids;
  std::vector<std::uint64_t> masses;

  full_sort(const std::vector<float>& logits, float temperature) : ids(logits.size()) {
    std::iota(ids.begin(), ids.end(), 0u);
    std::stable_sort(ids.begin(), ids.end(), [&](auto a, auto b) { return logits[a] > logits[b]; });
    auto scaled = logits, weights = logits;
    kernels_here().softmax_terms(logits.data(), logits.size(), logits[ids[0]], temperature,
                                 scaled.data(), weights.data());
    for (const auto id : ids)
      masses.push_back(scaled[id] <= -31 ? 0 : static_cast<std::uint64_t>(weights[id] * 0x1p44f));
  }
};

struct shape {
  const char* name;
  std::vector<float> logits;
};

std::vector<shape> shapes() {
  constexpr auto n = std::size_t{20000};
  auto random = test::random_source{3};
  auto out = std::vector<shape>{};
  auto normal = std::vector<float>{};
  for (const auto x : test::random_floats(random, n))
    normal.push_back(4 * x);
  out.push_back({"normal", normal});
  auto peaked = normal;
  peaked[n / 2] = 60;
  out.push_back({"one far above the others", peaked});
  out.push_back({"all equal", std::vector<float>(n, 0.25f)});
  auto ties = normal;
  for (auto& x : ties)
    x = std::round(x);
  out.push_back({"many ties", ties});
  auto close = std::vector<float>{};
  for (auto i = std::size_t{0}; i < n; ++i)
    close.push_back(std::nextafter(1.0f, 2.0f) + 1e-7f * static_cast<float>(i * 7919 % 40));
  out.push_back({"neighbouring floats", close});
  auto outlier = std::vector<float>(n, 5.0f);
  outlier[17] = -1e30f;
  outlier[18] = -INFINITY;
  out.push_back({"an outlier below", outlier});
  out.push_back({"one token", {-3.5f}});
  out.push_back({"two tokens", {-3.5f, 2.5f}});
  return out;
}

TEST(Ranking, EveryMassFallsOnTheTokenOfTheFullSort) {
  auto r = ranking{kernels_here()};
  for (const auto& s : shapes())
    for (const auto temperature : {0.1f, 1.0f, 3.0f, 100.0f}) {
      SCOPED_TRACE(fmt::format("{} at {}", s.name, temperature));
      const auto want = full_sort{s.logits, temperature};
      r.set(s.logits, temperature);
      auto total = std::uint64_t{0};
      auto through = std::vector<std::uint64_t>{};
      for (const auto m : want.masses)
        through.push_back(total += m);
      ASSERT_EQ(r.total_mass(), total);
      auto random = test::random_source{9};
      for (auto i = 0; i < 60; ++i) {
        // Anywhere, and exactly where a token begins or ends.
        const auto anywhere = static_cast<std::uint64_t>(
            static_cast<double>(random.below(1u << 30)) * 0x1p-30 * static_cast<double>(total));
        const auto edge = through[random.below(static_cast<std::uint32_t>(through.size()))];
        for (const auto mass : {anywhere, edge, edge - 1}) {
          if (mass >= total)
            continue;
          const auto at = std::upper_bound(through.begin(), through.end(), mass) - through.begin();
          const auto got = r.find(mass);
          ASSERT_EQ(got.id, want.ids[static_cast<std::size_t>(at)]) << "mass " << mass;
          ASSERT_EQ(got.mass_through, through[static_cast<std::size_t>(at)]);
        }
      }
      for (const auto k : {std::size_t{1}, std::size_t{2}, std::size_t{64}, s.logits.size() / 2,
                           s.logits.size(), s.logits.size() + 5}) {
        const auto count = std::min(std::max<std::size_t>(k, 1), through.size());
        ASSERT_EQ(r.mass_of_first(std::max<std::size_t>(k, 1)), through[count - 1])
            << "first " << k;
      }
    }
}

TEST(Ranking, TheMassAboveAShareIsThatOfTheTokensAsLikely) {
  auto r = ranking{kernels_here()};
  const auto logits = std::vector<float>{0, std::log(0.5f), std::log(0.25f), std::log(0.1f)};
  r.set(logits, 1);
  EXPECT_EQ(r.mass_above(0), r.total_mass());
  EXPECT_EQ(r.mass_above(0.05f), r.total_mass());
  EXPECT_EQ(r.mass_above(0.2f), r.mass_of_first(3));
  EXPECT_EQ(r.mass_above(0.4f), r.mass_of_first(2));
  EXPECT_EQ(r.mass_above(1), r.mass_of_first(1));
}

TEST(Ranking, IsTheSameOnEveryInstructionSet) {
  for (const auto& s : shapes()) {
    auto want = std::vector<std::uint64_t>{};
    for (const auto level : kernels::simd_levels()) {
      auto r = ranking{**kernels::kernels_for(level)};
      r.set(s.logits, 0.8f);
      const auto got = std::vector{r.total_mass(), r.mass_of_first(40), r.mass_above(0.3f),
                                   std::uint64_t{r.find(r.total_mass() / 2).id}};
      if (want.empty())
        want = got;
      EXPECT_EQ(got, want) << s.name;
    }
  }
}

} // namespace
} // namespace larql::generate
