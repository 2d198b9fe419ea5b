// Mirrors runtime/experts/expert_compute.hpp: right numbers for every pair of encodings, and sums
// that do not depend on order, waves or spread.

#include "runtime/experts/expert_compute.hpp"

#include "runtime/quant/blocks.hpp"
#include "tests/support/damaged_expert.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace larql::experts {
namespace {

using kernels::activation_rows;
using quant::encoding;
using test::fails;
using test::succeeds;

// One layer of experts, a bank over all of them, and an compute_experts.
class setup {
public:
  explicit setup(const test::tiny_options& o, unsigned threads = 2,
                 kernels::simd_level level = kernels::best_simd_level())
      : vindex(o),
        pool(threads),
        compute{**kernels::kernels_for(level), pool},
        bank(*expert_bank::open(vindex.path(), vindex.config(), {{0, 0}, {0, o.experts - 1}})),
        compute_experts(compute, bank) {}

  activation_rows rows(std::size_t n, std::uint64_t seed = 9) {
    const auto hidden = vindex.config().hidden;
    auto random = test::random_source{seed};
    const auto x = test::random_floats(random, n * hidden);
    auto out = activation_rows{};
    out.reset(bank.input_format(0), static_cast<std::uint32_t>(n), hidden);
    for (auto r = 0u; r < n; ++r)
      out.set_row(compute.k, r, std::span{x}.subspan(r * hidden, hidden));
    return out;
  }

  std::vector<std::int64_t> run(const activation_rows& x,
                                const std::vector<assignment>& assignments) {
    auto sums = std::vector<std::int64_t>(std::size_t{x.view().rows} * vindex.config().hidden);
    EXPECT_TRUE(succeeds(compute_experts.run(0, x.view(), assignments, sums)));
    return sums;
  }

  test::tiny_vindex vindex;
  compute_pool pool;
  kernels::compute compute;
  expert_bank bank;
  expert_compute compute_experts;
};

test::tiny_options one_layer(test::tiny_options o = {}) {
  o.layers = 1;
  o.period = 0;
  return o;
}

// Every row to `top_k` of `experts`, sorted by expert, with weights around 1/top_k.
std::vector<assignment> random_picks(std::uint32_t rows, std::uint32_t experts, std::uint32_t top_k,
                                     std::uint64_t seed = 4) {
  auto random = test::random_source{seed};
  auto out = std::vector<assignment>{};
  for (auto r = 0u; r < rows; ++r) {
    const auto first = random.below(experts);
    for (auto k = 0u; k < top_k; ++k)
      out.push_back({r, (first + k * 3) % experts, random.uniform(0.1f, 1.0f)});
  }
  std::sort(out.begin(), out.end(), [](const assignment& a, const assignment& b) {
    return a.expert != b.expert ? a.expert < b.expert : a.row < b.row;
  });
  return out;
}

// ---- against double precision -------------------------------------------------------------------

using doubles = std::vector<double>;

doubles row_of(const quant::matrix_view& w, std::size_t r) {
  auto row = std::vector<float>(w.cols);
  quant::dequantize_row(w.format, w.row(r), w.cols, row.data());
  return {row.begin(), row.end()};
}

// What the kernels see of an input row.
doubles input_of(const kernels::activation_view& x, std::size_t row) {
  auto out = doubles(x.cols);
  const auto block = kernels::scale_block(x.format);
  for (auto i = std::size_t{0}; i < x.cols; ++i)
    out[i] = x.format == kernels::activation_format::f32
                 ? x.f32[row * x.cols + i]
                 : double{x.scale[row * x.scale_stride + i / block]} * x.q[row * x.cols + i];
  return out;
}

// What a matrix sees of it: rows that came as they are, it wants rounded.
doubles input_of(const setup& s, const kernels::activation_view& x, std::size_t row,
                 const quant::matrix_view& w) {
  const auto format = quant::activation_for(w.format);
  if (x.format == format)
    return input_of(x, row);
  auto rounded = activation_rows{};
  rounded.reset(format, 1, x.cols);
  rounded.set_row(s.compute.k, 0, {x.f32 + row * x.cols, x.cols});
  return input_of(rounded.view(), 0);
}

struct answer {
  double value = 0;
  double tolerance = 0;
};

double activate(quant::activation_function f, double x) {
  if (f == quant::activation_function::silu)
    return x / (1 + std::exp(-x));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// The definition: f(gate x) * (up x), rounded as `down` wants it, times down. Gate and up have each
// their own x.
std::vector<answer> reference(const expert_weights& w, const doubles& x, const doubles& up_x,
                              quant::activation_function f) {
  auto hidden = doubles(w.down.cols), doubt = doubles(w.down.cols);
  for (auto r = 0u; r < w.gate.rows; ++r) {
    const auto g = row_of(w.gate, r), u = row_of(w.up, r);
    auto gate = 0.0, up = 0.0, size = 0.0;
    for (auto i = std::size_t{0}; i < x.size(); ++i) {
      gate += g[i] * x[i], up += u[i] * up_x[i];
      size += std::fabs(g[i] * x[i]) + std::fabs(u[i] * up_x[i]);
    }
    hidden[r] = activate(f, gate) * up;
    // Float sums of up to 256 terms in 16 lanes and a tree: 20 roundings of 2^-24 at most, times
    // what the other factor makes of it.
    doubt[r] =
        20 * 0x1p-24 * size * (1.2 * std::fabs(up) + std::fabs(gate)) + 1e-6 * std::fabs(hidden[r]);
  }
  const auto format = quant::activation_for(w.down.format);
  const auto block = kernels::scale_block(format);
  for (auto at = std::size_t{0}; at < hidden.size() && block > 1; at += block) {
    auto top = 0.0;
    for (auto i = at; i < at + block; ++i)
      top = std::max(top, std::fabs(hidden[i]));
    for (auto i = at; i < at + block; ++i) {
      const auto exact = hidden[i] * 127 / top;
      hidden[i] = std::nearbyint(exact) * top / 127;
      // Where the doubt reaches over a rounding border, the number may be the next one.
      const auto to_border = std::fabs(std::fabs(exact - std::floor(exact)) - 0.5) * top / 127;
      if (to_border < 2 * doubt[i])
        doubt[i] += top / 127;
    }
  }
  auto out = std::vector<answer>(w.down.rows);
  for (auto r = 0u; r < w.down.rows; ++r) {
    const auto d = row_of(w.down, r);
    for (auto i = std::size_t{0}; i < hidden.size(); ++i) {
      out[r].value += d[i] * hidden[i];
      out[r].tolerance += std::fabs(d[i]) * (doubt[i] + 20 * 0x1p-24 * std::fabs(hidden[i]));
    }
  }
  return out;
}

void expect_the_definition(const test::tiny_options& o) {
  auto s = setup{o};
  const auto x = s.rows(3);
  const auto assignments =
      std::vector<assignment>{{0, 1, 0.75f}, {2, 1, 0.5f}, {0, 4, -0.25f}, {2, 6, 1.5f}};
  const auto sums = s.run(x, assignments);
  auto want = std::vector<answer>(3 * std::size_t{o.hidden});
  for (const auto& p : assignments) {
    const auto w = s.bank.get(0, p.expert);
    const auto y = reference(w, input_of(s, x.view(), p.row, w.gate),
                             input_of(s, x.view(), p.row, w.up), o.activation);
    for (auto i = 0u; i < o.hidden; ++i) {
      auto& to = want[p.row * o.hidden + i];
      to.value += double{p.weight} * y[i].value;
      to.tolerance +=
          std::fabs(p.weight) * (y[i].tolerance + 0x1p-24 * std::fabs(y[i].value)) + 0x1p-33;
    }
  }
  auto largest = 0.0;
  for (auto i = std::size_t{0}; i < want.size(); ++i) {
    ASSERT_NEAR(std::ldexp(static_cast<double>(sums[i]), -32), want[i].value, want[i].tolerance)
        << "element " << i;
    largest = std::max(largest, std::fabs(want[i].value));
  }
  EXPECT_GT(largest, 0.01);
}

class ExpertPair : public testing::TestWithParam<std::tuple<encoding, encoding>> {};

TEST_P(ExpertPair, GivesTheNumbersOfTheDefinition) {
  auto o = one_layer(test::k_quant_options());
  std::tie(o.gate_up, o.down) = GetParam();
  expect_the_definition(o);
}

INSTANTIATE_TEST_SUITE_P(Encodings, ExpertPair,
                         testing::Combine(testing::ValuesIn(quant::all_encodings),
                                          testing::ValuesIn(quant::all_encodings)),
                         [](const auto& p) {
                           return fmt::format("{}_{}", quant::name_of(std::get<0>(p.param)),
                                              quant::name_of(std::get<1>(p.param)));
                         });

TEST(ExpertEngine, GateAndUpOfDifferentEncodingsGiveTheNumbersOfTheDefinition) {
  // Rows that are rounded alike, differently, and not at all for one of them.
  const std::pair<encoding, encoding> pairs[] = {{encoding::q4_0, encoding::q8_0},
                                                 {encoding::q4_k, encoding::q5_0},
                                                 {encoding::mxfp4, encoding::iq4_xs},
                                                 {encoding::q3_k, encoding::f32},
                                                 {encoding::bf16, encoding::q4_1}};
  for (const auto& [gate, up] : pairs) {
    auto o = one_layer(test::k_quant_options());
    o.fused_gate_up = false;
    o.gate_up = gate, o.up = up;
    SCOPED_TRACE(fmt::format("{} {}", quant::name_of(gate), quant::name_of(up)));
    expect_the_definition(o);
  }
}

TEST(ExpertEngine, RaggedWidthsGiveTheNumbersOfTheDefinition) {
  auto o = one_layer();
  o.gate_up = encoding::q6_k, o.down = encoding::q8_0; // width 96
  expect_the_definition(o);
  o.hidden = 100, o.expert_width = 37; // F32
  expect_the_definition(o);
}

TEST(ExpertEngine, ComputesTheActivationFunctionOfTheModel) {
  for (const auto activation :
       {quant::activation_function::gelu, quant::activation_function::silu}) {
    auto o = one_layer(test::k_quant_options());
    o.gate_up = encoding::q4_k, o.down = encoding::q6_k, o.activation = activation;
    expect_the_definition(o);
  }
}

// ---- what must not matter -----------------------------------------------------------------------

TEST(ExpertEngine, LevelsAndThreadsDoNotChangeASum) {
  const auto o = one_layer(test::mixed_options());
  const auto assignments = random_picks(40, 8, 3);
  auto first = setup{o, 1, kernels::simd_level::scalar};
  const auto want = first.run(first.rows(40), assignments);
  for (const auto level : kernels::simd_levels())
    for (const auto threads : {1u, 2u, 3u}) {
      auto s = setup{o, threads, level};
      EXPECT_EQ(s.run(s.rows(40), assignments), want) << name_of(level) << " " << threads;
    }
}

TEST(ExpertEngine, TheOrderOfARowsPicksDoesNotMatter) {
  auto s = setup{one_layer()};
  const auto x = s.rows(30);
  auto assignments = random_picks(30, 8, 3);
  const auto want = s.run(x, assignments);
  std::stable_sort(
      assignments.begin(), assignments.end(), [](const assignment& a, const assignment& b) {
        return a.expert != b.expert ? a.expert < b.expert : a.row > b.row; // rows backwards
      });
  EXPECT_EQ(s.run(x, assignments), want);
}

TEST(ExpertEngine, RowsOfAnExpertMayStandTogetherOrApart) {
  // Rows that stand together are read in place, others are copied.
  for (const auto& options : {one_layer(), one_layer(test::k_quant_options())}) {
    auto s = setup{options};
    const auto x = s.rows(6);
    const auto assignments = std::vector<assignment>{{1, 0, 0.5f}, {2, 0, 0.25f}, {3, 0, 1.0f},
                                                     {0, 1, 0.5f}, {4, 1, 0.75f}, {5, 2, 1.0f},
                                                     {2, 3, 0.5f}, {5, 3, 0.5f},  {3, 3, 2.0f}};
    auto want = std::vector<std::int64_t>(6 * std::size_t{options.hidden});
    for (const auto& one : assignments) {
      const auto sums = s.run(x, {one});
      for (auto i = std::size_t{0}; i < want.size(); ++i)
        want[i] += sums[i];
    }
    EXPECT_EQ(s.run(x, assignments), want);
  }
}

TEST(ExpertEngine, ASplitOverNodesAddsUpToTheWhole) {
  auto s = setup{one_layer()};
  const auto x = s.rows(30);
  const auto assignments = random_picks(30, 8, 3);
  const auto want = s.run(x, assignments);
  for (const auto nodes : {2u, 3u, 8u}) {
    auto total = std::vector<std::int64_t>(want.size());
    for (auto n = 0u; n < nodes; ++n) {
      auto part = std::vector<assignment>{};
      std::copy_if(assignments.begin(), assignments.end(), std::back_inserter(part),
                   [&](const assignment& p) { return p.expert % nodes == n; });
      const auto sums = s.run(x, part);
      for (auto i = std::size_t{0}; i < total.size(); ++i)
        total[i] += sums[i];
    }
    EXPECT_EQ(total, want) << nodes << " nodes";
  }
}

TEST(ExpertEngine, ResultsAreAddedToWhatIsThere) {
  auto s = setup{one_layer()};
  const auto x = s.rows(2);
  const auto assignments = random_picks(2, 8, 3);
  const auto want = s.run(x, assignments);
  auto sums = std::vector<std::int64_t>(want.size(), 1000);
  ASSERT_TRUE(succeeds(s.compute_experts.run(0, x.view(), assignments, sums)));
  for (auto i = std::size_t{0}; i < want.size(); ++i)
    ASSERT_EQ(sums[i], want[i] + 1000);
}

TEST(ExpertEngine, NoPicksChangeNothing) {
  auto s = setup{one_layer()};
  for (const auto sum : s.run(s.rows(2), {}))
    ASSERT_EQ(sum, 0);
}

// A wave holds 2048 picks.
test::tiny_options small() {
  auto o = one_layer();
  o.hidden = 64, o.expert_width = 32;
  return o;
}

std::vector<std::int64_t> row_by_row(setup& s, std::uint32_t rows,
                                     const std::vector<assignment>& assignments) {
  const auto hidden = std::size_t{64};
  auto out = std::vector<std::int64_t>(rows * hidden);
  const auto x = s.rows(rows);
  for (auto r = 0u; r < rows; ++r) {
    auto own = std::vector<assignment>{};
    std::copy_if(assignments.begin(), assignments.end(), std::back_inserter(own),
                 [&](const assignment& p) { return p.row == r; });
    EXPECT_TRUE(succeeds(s.compute_experts.run(0, x.view(), own, out)));
  }
  return out;
}

TEST(ExpertEngine, MorePicksThanAWaveHoldsAreCutBetweenExperts) {
  auto s = setup{small()};
  const auto assignments = random_picks(1000, 8, 3);
  EXPECT_EQ(s.run(s.rows(1000), assignments), row_by_row(s, 1000, assignments));
}

TEST(ExpertEngine, MorePicksOfOneExpertThanAWaveHoldsAreCutInside) {
  auto s = setup{small()};
  auto assignments = std::vector<assignment>{{7, 2, 0.5f}};
  for (auto r = 0u; r < 4500; ++r)
    assignments.push_back({r, 3, 0.25f});
  assignments.push_back({8, 4, 0.5f});
  EXPECT_EQ(s.run(s.rows(4500), assignments), row_by_row(s, 4500, assignments));
}

TEST(ExpertEngine, ARowMayHaveAsManyTermsAsTheSumHasRoomFor) {
  auto s = setup{small()};
  const auto x = s.rows(1);
  const auto one = s.run(x, {{0, 5, 0.5f}});
  const auto all = s.run(x, std::vector<assignment>(256, assignment{0, 5, 0.5f}));
  for (auto i = std::size_t{0}; i < one.size(); ++i)
    ASSERT_EQ(all[i], one[i] * 256);
}

// ---- failures -----------------------------------------------------------------------------------

TEST(ExpertEngine, ATermOutsideTheFixedPointRangeIsAnErrorThatNamesTheExperts) {
  auto s = setup{one_layer()};
  const auto x = s.rows(2);
  const auto good = s.run(x, {{0, 2, 1.0f}});
  auto sums = std::vector<std::int64_t>(2 * 256);
  for (const auto weight : {1e30f, -1e30f, INFINITY, NAN})
    EXPECT_TRUE(fails(s.compute_experts.run(
                          0, x.view(), std::vector<assignment>{{0, 2, 0.1f}, {1, 6, weight}}, sums),
                      errc::corrupt, {"layer 0", "2 to 6", "2^22"}))
        << weight;
  EXPECT_EQ(s.run(x, {{0, 2, 1.0f}}), good); // and the compute_experts still works
}

TEST(ExpertEngine, DamagedWeightsAreAnErrorThatNamesTheFile) {
  auto m = test::tiny_model{one_layer()};
  const auto data = m.bytes("layers.0.experts.down_proj");
  std::memset(data.data() + data.size() / 8 * 6, 0xff, 4); // NaN, in expert 6
  const auto v = test::tiny_vindex{m};
  auto pool = compute_pool{1};
  const auto bank = expert_bank::open(v.path(), v.config(), {{0, 0}, {0, 7}});
  auto compute_experts =
      expert_compute{{**kernels::kernels_for(kernels::simd_level::scalar), pool}, *bank};
  auto x = activation_rows{};
  x.reset(kernels::activation_format::f32, 1, 256);
  x.set_row(**kernels::kernels_for(kernels::simd_level::scalar), 0, std::vector<float>(256, 0.1f));
  auto sums = std::vector<std::int64_t>(256);
  EXPECT_TRUE(fails(compute_experts.run(0, x.view(), std::vector<assignment>{{0, 6, 1.0f}}, sums),
                    errc::corrupt, {"layer_00.weights", "entry 6", "down"}));
  EXPECT_TRUE(
      succeeds(compute_experts.run(0, x.view(), std::vector<assignment>{{0, 5, 1.0f}}, sums)));
}

class ExpertEngineNaN : public testing::TestWithParam<std::tuple<encoding, kernels::simd_level>> {};

// The compute_experts looks at its results, not at the weights before: nothing may get lost on the
// way.
TEST_P(ExpertEngineNaN, ANumberThatIsNotFiniteInAnyMatrixIsNamedWhateverTheInputIs) {
  const auto [e, level] = GetParam();
  const auto wide = quant::shape_of(e).weights == 256;
  const auto o = one_layer(test::all_in(e, wide ? test::k_quant_options() : test::tiny_options{}));
  for (const auto part : {test::expert_part::gate, test::expert_part::up, test::expert_part::down})
    for (const auto value : {NAN, INFINITY, -INFINITY})
      for (const auto rows : {1u, 3u, 9u}) {
        auto s = setup{o, 2, level};
        test::damage_expert(s.vindex, 0, 5, part, value);
        auto x = s.rows(rows);
        x.set_row(s.compute.k, rows - 1, std::vector<float>(o.hidden)); // zeros
        auto sums = std::vector<std::int64_t>(std::size_t{rows} * o.hidden);
        const auto expect_it_named = [&](const std::vector<assignment>& assignments) {
          EXPECT_TRUE(fails(s.compute_experts.run(0, x.view(), assignments, sums), errc::corrupt,
                            {(s.vindex / "layers/layer_00.weights").string(), "entry 5",
                             test::name_of(part), "NaN"}))
              << value << ", " << assignments.size() << " of " << rows << " rows";
        };
        auto all = std::vector<assignment>{{0, 4, 1.0f}};
        for (auto row = 0u; row < rows; ++row) {
          expect_it_named({{row, 4, 1.0f}, {row, 5, 1.0f}});
          all.push_back({row, 5, 1.0f});
        }
        expect_it_named(all);
        EXPECT_TRUE(succeeds(
            s.compute_experts.run(0, x.view(), std::vector<assignment>{{0, 4, 1.0f}}, sums)));
      }
}

INSTANTIATE_TEST_SUITE_P(Encodings, ExpertEngineNaN,
                         testing::Combine(testing::ValuesIn(quant::all_encodings),
                                          testing::ValuesIn(kernels::simd_levels())),
                         [](const auto& p) {
                           return fmt::format("{}_{}", quant::name_of(std::get<0>(p.param)),
                                              kernels::name_of(std::get<1>(p.param)));
                         });

} // namespace
} // namespace larql::experts
