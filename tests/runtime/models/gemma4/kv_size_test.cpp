// Mirrors runtime/models/gemma4/kv_size.hpp.

#include "runtime/models/gemma4/kv_size.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::gemma4 {
namespace {

constexpr auto gb = std::uint64_t{1'000'000'000};

/// The published 26B model's geometry.
vindex::model_config large() {
  auto m = vindex::model_config{};
  m.layers = 30;
  m.kv_heads = 8;
  m.global_kv_heads = 2;
  m.head_dim = 256;
  m.global_head_dim = 512;
  m.window = 1024;
  for (auto l = 0u; l < 30; ++l)
    m.sliding.push_back(l % 6 != 5);
  return m;
}

TEST(KvSize, IsWhatASequenceTakes) {
  auto o = test::tiny_options{};
  o.window = 100;
  const auto vindex = test::tiny_vindex{o};
  auto r = test::run_options{};
  r.chunk = 64;
  r.context = 1000;
  const auto model = *test::running_model::open(vindex.path(), r);
  for (const auto n : {1u, 64u, 65u, 200u, 700u}) {
    const auto s = model->new_sequence();
    ASSERT_TRUE(test::succeeds(model->executor().append(*s, test::random_ids(n, 128))));
    const auto said = kv_bytes(model->model().config, r.kv, n, r.chunk);
    EXPECT_GE(said, s->kv_bytes()) << n;
    EXPECT_LE(said, s->kv_bytes() * 2) << n;
  }
}

TEST(KvSize, OfTheLargeModelIsMostlyItsWindowAtFirst) {
  const auto m = large();
  const auto small = kv_bytes(m, kv_format::f16, 8192, 256);
  const auto whole = kv_bytes(m, kv_format::f16, 131072, 256);
  EXPECT_NEAR(static_cast<double>(small), 0.456e9, 0.03e9);
  EXPECT_NEAR(static_cast<double>(whole - small), 122880.0 * 5 * 2 * 2 * 2 * 512, 1e6);
  EXPECT_EQ(kv_bytes(m, kv_format::f32, 8192, 256), 2 * small);
}

TEST(KvSize, MemoryIsHalfOfWhatTheWeightsLeave) {
  EXPECT_EQ(usual_kv_memory(14 * gb, 2 * gb, gb), 6 * gb);
}

TEST(KvSize, MemoryIsEnoughForOneSequenceInAnyCase) {
  EXPECT_EQ(usual_kv_memory(std::nullopt, 2 * gb, 3 * gb), 3 * gb);
  EXPECT_EQ(usual_kv_memory(gb, 2 * gb, 3 * gb), 3 * gb);
  EXPECT_EQ(usual_kv_memory(7 * gb, 2 * gb, 3 * gb), 3 * gb);
}

} // namespace
} // namespace larql::gemma4
