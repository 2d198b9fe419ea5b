// Mirrors runtime/generate/sampler.hpp: which tokens can come, how often, and that the same seed
// gives the same ones everywhere.

#include "runtime/generate/sampler.hpp"

#include "runtime/generate/random.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;

const kernels::kernel_set& kernels_here() {
  return **kernels::kernels_for(kernels::best_simd_level());
}

// Logits whose softmax is `p`.
std::vector<float> logits_of(const std::vector<double>& p) {
  auto out = std::vector<float>{};
  for (const auto x : p)
    out.push_back(static_cast<float>(std::log(x)));
  return out;
}

std::map<std::uint32_t, int> draw(const std::vector<float>& logits, sampling_options o, int n) {
  const auto s = sampler{o};
  auto scratch = sampling_scratch{kernels_here()};
  auto out = std::map<std::uint32_t, int>{};
  for (auto i = 0; i < n; ++i)
    ++out[s.choose(logits, static_cast<std::uint64_t>(i), scratch)];
  return out;
}

std::set<std::uint32_t> drawn(const std::vector<double>& p, sampling_options o) {
  auto out = std::set<std::uint32_t>{};
  for (const auto& [id, count] : draw(logits_of(p), o, 3000))
    out.insert(id);
  return out;
}

sampling_options at_temperature(float t) {
  auto o = sampling_options{};
  o.temperature = t;
  return o;
}

using set = std::set<std::uint32_t>;

// ---- greedy -------------------------------------------------------------------------------------

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestOnTies) {
  auto scratch = sampling_scratch{kernels_here()};
  const auto choose = [&](const std::vector<float>& x) {
    return sampler{{}}.choose(x, 0, scratch);
  };
  EXPECT_EQ(choose({1, 3, 2}), 1u);
  EXPECT_EQ(choose({1, 3, 2, 3, 3}), 1u);
  EXPECT_EQ(choose({-5}), 0u);
  EXPECT_EQ(choose({-INFINITY, -INFINITY}), 0u);
  EXPECT_EQ(choose(std::vector<float>(1000, 0.25f)), 0u);
}

// ---- which tokens can come ----------------------------------------------------------------------

const std::vector<double> five = {0.10, 0.40, 0.05, 0.30, 0.15}; // by size: 1 3 4 0 2

TEST(Sampler, WithoutLimitsEverythingCanCome) {
  EXPECT_EQ(drawn(five, at_temperature(1)), (set{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopKKeepsTheLargest) {
  auto o = at_temperature(1);
  o.top_k = 1;
  EXPECT_EQ(drawn(five, o), (set{1}));
  o.top_k = 3;
  EXPECT_EQ(drawn(five, o), (set{1, 3, 4}));
  o.top_k = 5;
  EXPECT_EQ(drawn(five, o), (set{0, 1, 2, 3, 4}));
  o.top_k = 100;
  EXPECT_EQ(drawn(five, o), (set{0, 1, 2, 3, 4}));
}

TEST(Sampler, TopKBreaksTiesByTheLowestId) {
  auto o = at_temperature(1);
  o.top_k = 2;
  EXPECT_EQ(drawn({0.2, 0.2, 0.2, 0.2, 0.2}, o), (set{0, 1}));
}

TEST(Sampler, TopPKeepsTheShortestPrefixThatReachesIt) {
  auto o = at_temperature(1);
  o.top_p = 0.39f;
  EXPECT_EQ(drawn(five, o), (set{1})); // 0.40 reaches it
  o.top_p = 0.41f;
  EXPECT_EQ(drawn(five, o), (set{1, 3}));
  o.top_p = 0.84f;
  EXPECT_EQ(drawn(five, o), (set{1, 3, 4}));
  o.top_p = 0.86f;
  EXPECT_EQ(drawn(five, o), (set{0, 1, 3, 4}));
  o.top_p = 1e-9f;
  EXPECT_EQ(drawn(five, o), (set{1})); // one is always left
}

TEST(Sampler, MinPIsAShareOfTheLargest) {
  auto o = at_temperature(1);
  o.min_p = 0.7f;
  EXPECT_EQ(drawn(five, o), (set{1, 3})); // 0.28 and above
  o.min_p = 0.3f;
  EXPECT_EQ(drawn(five, o), (set{1, 3, 4}));
  o.min_p = 1;
  EXPECT_EQ(drawn(five, o), (set{1}));
}

TEST(Sampler, TheLimitsWorkTogetherAfterTheTemperature) {
  auto o = at_temperature(1);
  o.top_k = 4, o.top_p = 0.9f, o.min_p = 0.2f;
  EXPECT_EQ(drawn(five, o), (set{0, 1, 3, 4}));
  // At half the temperature probabilities are squared: .49 .28 .07 .03 of the top four.
  o.temperature = 0.5f;
  EXPECT_EQ(drawn(five, o), (set{1, 3})); // .562 and .316 are 0.88 of 0.9, the next is below min-p
}

// ---- how often ----------------------------------------------------------------------------------

void expect_shares(const std::map<std::uint32_t, int>& counts, const std::vector<double>& p,
                   int n) {
  for (auto id = 0u; id < p.size(); ++id) {
    const auto found = counts.contains(id) ? counts.at(id) : 0;
    // Five standard deviations of a binomial distribution: wrong once in two million.
    const auto deviation = std::sqrt(p[id] * (1 - p[id]) * n);
    EXPECT_NEAR(found, p[id] * n, 5 * deviation + 1e-9) << "id " << id;
  }
}

TEST(Sampler, DrawsInProportion) {
  expect_shares(draw(logits_of(five), at_temperature(1), 40000), five, 40000);
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
  for (const auto t : {0.5, 2.0}) {
    auto p = five;
    auto sum = 0.0;
    for (auto& x : p)
      sum += x = std::pow(x, 1 / t);
    for (auto& x : p)
      x /= sum;
    expect_shares(draw(logits_of(five), at_temperature(static_cast<float>(t)), 40000), p, 40000);
  }
}

TEST(Sampler, WhatIsKeptIsDrawnInProportionToo) {
  auto o = at_temperature(1);
  o.top_k = 2;
  expect_shares(draw(logits_of(five), o, 40000), {0, 4.0 / 7, 0, 3.0 / 7, 0}, 40000);
}

TEST(Sampler, AWideVocabularyIsDrawnEvenly) {
  const auto counts = draw(std::vector<float>(1000, 3.5f), at_temperature(0.7f), 100000);
  EXPECT_EQ(counts.size(), 1000u);
  for (const auto& [id, n] : counts)
    EXPECT_NEAR(n, 100, 60) << id;
}

// ---- the same everywhere ------------------------------------------------------------------------

TEST(Sampler, ASeedFixesTheSequence) {
  const auto logits = logits_of(five);
  const auto sequence = [&](std::uint64_t seed, const kernels::kernel_set& k) {
    auto o = at_temperature(1);
    o.seed = seed;
    const auto s = sampler{o};
    auto scratch = sampling_scratch{k};
    auto out = std::vector<std::uint32_t>{};
    for (auto i = 0u; i < 40; ++i)
      out.push_back(s.choose(logits, i, scratch));
    return out;
  };
  const auto want = sequence(42, kernels_here());
  for (const auto level : kernels::simd_levels())
    EXPECT_EQ(sequence(42, **kernels::kernels_for(level)), want);
  EXPECT_NE(sequence(43, kernels_here()), want);
  // Written down once; a change would change every user's seeded output.
  EXPECT_EQ(std::vector<std::uint32_t>(want.begin(), want.begin() + 12),
            (std::vector<std::uint32_t>{4, 1, 1, 1, 1, 0, 1, 4, 1, 3, 1, 3}));
}

TEST(Sampler, TheIndexAloneSaysWhichNumberIsDrawn) {
  auto o = at_temperature(1);
  o.seed = 7;
  const auto s = sampler{o};
  auto scratch = sampling_scratch{kernels_here()};
  const auto logits = logits_of(five);
  auto forwards = std::vector<std::uint32_t>{}, backwards = forwards;
  for (auto i = 0u; i < 50; ++i)
    forwards.push_back(s.choose(logits, i, scratch));
  for (auto i = 50u; i-- > 0;)
    backwards.insert(backwards.begin(), s.choose(logits, i, scratch));
  EXPECT_EQ(forwards, backwards);
}

// The definition with a full sort and sums of floats. It differs from ours by rounding only, which
// decides about one draw in a million.
std::uint32_t by_full_sort(const std::vector<float>& logits, const sampling_options& o,
                           std::uint64_t index) {
  auto ids = std::vector<std::uint32_t>(logits.size());
  std::iota(ids.begin(), ids.end(), 0u);
  std::sort(ids.begin(), ids.end(),
            [&](auto a, auto b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  if (o.top_k != 0)
    ids.resize(std::min<std::size_t>(o.top_k, ids.size()));
  auto p = std::vector<double>{};
  auto total = 0.0;
  for (const auto id : ids)
    total += p.emplace_back(std::exp(double{(logits[id] - logits[ids[0]]) / o.temperature}));
  auto kept = std::size_t{0};
  auto mass = 0.0;
  while (kept < p.size() &&
         (kept == 0 || (mass < o.top_p * total && p[kept] >= double{o.min_p} * p[0])))
    mass += p[kept++];
  const auto target = static_cast<double>(random_bits(o.seed, index)) * 0x1p-53 * mass;
  auto sum = 0.0;
  for (auto i = std::size_t{0}; i < kept; ++i)
    if (target < (sum += p[i]))
      return ids[i];
  return ids[kept - 1];
}

TEST(Sampler, ChoosesTheTokensOfTheFullSort) {
  auto scratch = sampling_scratch{kernels_here()};
  auto random = test::random_source{2};
  for (const auto spread : {0.5f, 2.0f, 6.0f})
    for (const auto& [temperature, top_k, top_p, min_p] :
         std::vector<std::tuple<float, std::uint32_t, float, float>>{{1.0f, 0, 1.0f, 0.0f},
                                                                     {0.7f, 64, 0.95f, 0.0f},
                                                                     {1.3f, 0, 0.9f, 0.05f},
                                                                     {2.0f, 700, 1.0f, 0.01f},
                                                                     {100.0f, 0, 0.99f, 0.0f}}) {
      const auto logits = test::random_floats(random, 3000, spread);
      auto o = sampling_options{};
      o.temperature = temperature, o.top_k = top_k, o.top_p = top_p, o.min_p = min_p, o.seed = 11;
      const auto s = sampler{o};
      for (auto i = 0u; i < 40; ++i)
        ASSERT_EQ(s.choose(logits, i, scratch), by_full_sort(logits, o, i))
            << spread << " " << temperature << " " << top_k << " " << top_p << " " << i;
    }
}

// ---- bias and penalties -------------------------------------------------------------------------

TEST(Sampler, ABiasIsAddedToALogitAndMinusInfinityForbidsAToken) {
  auto o = sampling_options{};
  auto scratch = sampling_scratch{kernels_here()};
  const auto logits = std::vector<float>{1, 3, 2};
  o.bias = {{0, 2.5f}, {9, 100.0f}}; // one is no token of this vocabulary
  EXPECT_EQ(sampler{o}.choose(logits, 0, scratch), 0u);
  o.bias = {{1, -INFINITY}};
  EXPECT_EQ(sampler{o}.choose(logits, 0, scratch), 2u);
  o.temperature = 1;
  for (auto i = 0u; i < 200; ++i)
    EXPECT_NE(sampler{o}.choose(logits, i, scratch), 1u);
}

TEST(Sampler, PenaltiesLowerTheLogitsOfTokensThatCameBefore) {
  auto scratch = sampling_scratch{kernels_here()};
  const auto chosen_after = [&](auto edit, std::initializer_list<std::uint32_t> seen,
                                const std::vector<float>& logits) {
    auto o = sampling_options{};
    edit(o);
    auto s = sampler{o};
    for (const auto token : seen)
      s.add(token);
    return s.choose(logits, 0, scratch);
  };
  const auto repetition = [](auto& o) { o.repetition_penalty = 2; };
  EXPECT_EQ(chosen_after(repetition, {}, {4, 3, 1}), 0u);
  EXPECT_EQ(chosen_after(repetition, {0}, {4, 3, 1}), 1u);
  EXPECT_EQ(chosen_after(repetition, {0}, {-1, -1.5f, -3}), 1u) << "-1 becomes -2";
  const auto presence = [](auto& o) { o.presence_penalty = 1.5f; };
  EXPECT_EQ(chosen_after(presence, {0, 0, 0}, {4, 3, 2}), 1u);
  EXPECT_EQ(chosen_after(presence, {0, 0, 0}, {4, 2, 2}), 0u) << "counted once";
  const auto frequency = [](auto& o) { o.frequency_penalty = 1; };
  EXPECT_EQ(chosen_after(frequency, {0}, {4, 2, 2}), 0u);
  EXPECT_EQ(chosen_after(frequency, {0, 0, 0}, {4, 2, 2}), 1u);
}

TEST(Sampler, IsAValue) {
  auto o = at_temperature(1);
  o.frequency_penalty = 0.5f;
  auto a = sampler{o};
  a.add(3);
  const auto kept = a;
  EXPECT_EQ(a, kept);
  a.add(3);
  EXPECT_FALSE(a == kept);
  a = kept;
  EXPECT_EQ(a, kept);
}

TEST(Sampler, ExtremeTemperaturesAreStillTokens) {
  for (const auto t : {1e-40f, 1e-6f, 100.0f}) {
    const auto counts = draw({-30.0f, 30.0f, 29.0f}, at_temperature(t), 100);
    for (const auto& [id, n] : counts)
      EXPECT_LT(id, 3u);
    if (t < 1) {
      EXPECT_EQ(counts.at(1), 100) << t;
    }
  }
}

// ---- options ------------------------------------------------------------------------------------

TEST(SamplingOptions, NumbersThatMakeNoSenseAreNamed) {
  const auto check = [](auto edit) {
    auto o = sampling_options{};
    edit(o);
    return check_options(o);
  };
  const auto nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(succeeds(check([](auto&) {})));
  for (const auto t : {-1.0f, 100.5f, nan, INFINITY})
    EXPECT_TRUE(fails(check([&](auto& o) { o.temperature = t; }), errc::usage, {"temperature"}));
  for (const auto p : {0.0f, -0.5f, 1.5f, nan})
    EXPECT_TRUE(fails(check([&](auto& o) { o.top_p = p; }), errc::usage, {"top-p"}));
  for (const auto p : {-0.1f, 1.1f, nan})
    EXPECT_TRUE(fails(check([&](auto& o) { o.min_p = p; }), errc::usage, {"min-p"}));
  for (const auto p : {0.0f, -1.0f, 101.0f, nan})
    EXPECT_TRUE(fails(check([&](auto& o) { o.repetition_penalty = p; }), errc::usage,
                      {"repetition penalty"}));
  EXPECT_TRUE(fails(check([&](auto& o) { o.presence_penalty = nan; }), errc::usage, {"presence"}));
  EXPECT_TRUE(
      fails(check([&](auto& o) { o.frequency_penalty = 200; }), errc::usage, {"frequency"}));
  EXPECT_TRUE(fails(check([&](auto& o) { o.bias = {{17, INFINITY}}; }), errc::usage, {"token 17"}));
  EXPECT_TRUE(succeeds(check([](auto& o) {
    o.temperature = 100;
    o.top_p = 1;
    o.min_p = 1;
    o.top_k = ~0u;
  })));
}

// ---- masks --------------------------------------------------------------------------------------

std::uint32_t choose_masked(const std::vector<float>& logits, const sampling_options& o,
                            const grammar::token_mask& mask, std::uint64_t index) {
  auto scratch = sampling_scratch{kernels_here()};
  return sampler{o}.choose(logits, index, scratch, &mask);
}

TEST(Sampler, OnlyWhatAMaskAllowsCanCome) {
  const auto logits = logits_of(five);
  const auto mask = grammar::token_mask::of_list({0, 2, 4}, 5);
  for (const auto t : {0.0f, 1.0f}) {
    auto found = set{};
    for (auto i = 0u; i < 500; ++i)
      found.insert(choose_masked(logits, at_temperature(t), mask, i));
    EXPECT_EQ(found, t == 0 ? (set{4}) : (set{0, 2, 4}));
  }
}

// A list gathers its logits; bits take the others away. Both are the same choice.
TEST(Sampler, AListAndBitsOfTheSameTokensChooseTheSame) {
  auto random = test::random_source{3};
  const auto n = std::size_t{5000};
  const auto logits = test::random_floats(random, n, 4.0f);
  auto list = std::vector<std::uint32_t>{};
  for (auto i = 0u; i < n; i += 2)
    list.push_back(i);
  auto bits = std::vector<std::uint64_t>((n + 63) / 64);
  for (const auto token : list)
    bits[token / 64] |= std::uint64_t{1} << token % 64;
  const auto as_list = grammar::token_mask::of_list(list, n);
  const auto as_bits = grammar::token_mask::of_bits(bits, n);
  ASSERT_FALSE(as_bits.is_list());
  auto o = at_temperature(1);
  o.top_k = 50, o.top_p = 0.9f, o.repetition_penalty = 1.5f;
  o.bias = {{4, 3.0f}, {5, 100.0f}, {6, -INFINITY}};
  auto s = sampler{o};
  s.add(8);
  s.add(4998);
  auto scratch = sampling_scratch{kernels_here()};
  for (auto i = 0u; i < 300; ++i) {
    const auto token = s.choose(logits, i, scratch, &as_list);
    EXPECT_EQ(token, s.choose(logits, i, scratch, &as_bits));
    EXPECT_TRUE(as_list.allows(token));
  }
}

TEST(Sampler, TheMaskComesBehindBiasAndPenaltiesAndBeforeTheRest) {
  auto o = at_temperature(1);
  o.bias = {{1, 100.0f}};
  o.top_k = 1;
  // The bias makes token 1 by far the likeliest, but it is not allowed; top-k counts what is.
  EXPECT_EQ(choose_masked(logits_of(five), o, grammar::token_mask::of_list({0, 3}, 5), 0), 3u);
}

TEST(Sampler, WhereNothingAllowedIsPossibleTheFirstAllowedComes) {
  auto o = at_temperature(1);
  o.bias = {{2, -INFINITY}, {3, -INFINITY}};
  EXPECT_EQ(choose_masked(logits_of(five), o, grammar::token_mask::of_list({2, 3}, 5), 0), 2u);
  o.bias.clear();
  for (auto i = 0u; i < 5; ++i)
    o.bias.emplace_back(i, -INFINITY);
  auto scratch = sampling_scratch{kernels_here()};
  EXPECT_EQ(sampler{o}.choose(logits_of(five), 0, scratch), 0u);
}

} // namespace
} // namespace larql::generate
