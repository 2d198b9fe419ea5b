// Mirrors runtime/models/gemma4/forward.hpp: what must not change a bit of the logits does not.
// Chunks, threads, instruction sets and the format of the cache, on models of every encoding.

#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace larql::gemma4 {
namespace {

using quant::encoding;
using test::run_options;
using test::tiny_vindex;

// Longer than the window of 8, so that rings wrap.
constexpr std::size_t prompt_tokens = 19;

void expect_same_bits(const std::vector<float>& want, const std::vector<float>& got) {
  ASSERT_EQ(want.size(), got.size());
  for (auto i = std::size_t{0}; i < want.size(); ++i)
    ASSERT_EQ(0, std::memcmp(&want[i], &got[i], sizeof(float)))
        << "logit " << i << ": " << want[i] << " and " << got[i];
}

void expect_nothing_changes_bits(const test::tiny_options& options) {
  const auto v = tiny_vindex{options};
  const auto ids = test::random_ids(prompt_tokens, options.vocab);
  for (const auto kv : {kv_format::f16, kv_format::f32}) {
    auto run = run_options{};
    run.kv = kv;
    run.simd = kernels::simd_level::scalar;
    const auto want = test::logits_of(v.path(), ids, run);
    ASSERT_EQ(want.size(), ids.size() * options.vocab);
    // Every level with every number of threads, each with another chunk.
    auto chunks = std::vector<std::uint32_t>{1, 7, 256};
    for (const auto level : kernels::simd_levels()) {
      std::rotate(chunks.begin(), chunks.begin() + 1, chunks.end());
      for (const auto threads : {1u, 2u, 3u}) {
        run.simd = level;
        run.threads = threads;
        run.chunk = chunks[threads - 1];
        SCOPED_TRACE(fmt::format("{} {} threads, chunk {}, {} cache", name_of(level), threads,
                                 run.chunk, kv == kv_format::f16 ? "f16" : "f32"));
        expect_same_bits(want, test::logits_of(v.path(), ids, run));
      }
    }
  }
}

TEST(SameBits, AModelOfManyEncodings) {
  expect_nothing_changes_bits(test::mixed_options());
}

class SameBitsOf : public testing::TestWithParam<encoding> {};

TEST_P(SameBitsOf, AModelOfOneEncoding) {
  const auto e = GetParam();
  const auto wide = quant::shape_of(e).weights == 256;
  expect_nothing_changes_bits(
      test::all_in(e, wide ? test::k_quant_options() : test::tiny_options{}));
}

INSTANTIATE_TEST_SUITE_P(Encodings, SameBitsOf, testing::ValuesIn(quant::all_encodings),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

TEST(SameBits, WidthsThatAreNoMultiplesOfAnything) {
  auto o = test::tiny_options{};
  o.hidden = 100;
  o.dense_width = 37;
  o.expert_width = 19;
  o.vocab = 33;
  o.experts = 5;
  expect_nothing_changes_bits(o);
}

TEST(SameBits, ModelsWithSlidingOrFullLayersOnly) {
  auto o = test::tiny_options{};
  o.layers = 2;
  o.period = 0;
  expect_nothing_changes_bits(o);
  o.period = 1;
  expect_nothing_changes_bits(o);
}

TEST(SameBits, TheCacheFormatsDifferALittle) {
  const auto v = tiny_vindex{};
  const auto ids = test::random_ids(prompt_tokens, v.config().vocab);
  auto run = run_options{};
  run.kv = kv_format::f32;
  const auto f32 = test::logits_of(v.path(), ids, run);
  run.kv = kv_format::f16;
  const auto f16 = test::logits_of(v.path(), ids, run);
  // Keys and values of size 1 are rounded by at most 2^-12 of themselves; logits reach 30.
  auto worst = 0.0f;
  for (auto i = std::size_t{0}; i < f32.size(); ++i)
    worst = std::max(worst, std::fabs(f32[i] - f16[i]));
  EXPECT_GT(worst, 0.0f);
  EXPECT_LT(worst, 0.1f);
}

} // namespace
} // namespace larql::gemma4
