// Mirrors runtime/models/gemma4/kv_cache.hpp: rings, runs and sizes.

#include "runtime/models/gemma4/kv_cache.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::gemma4 {
namespace {

using test::succeeds;

// Window 8, head sizes 32 and 64; layer 2 is full.
vindex::model_config config() {
  return test::config_of({});
}
constexpr auto full_layer = 2u;

kv_cache make(std::uint32_t context, std::uint32_t chunk, kv_format format = kv_format::f32) {
  auto cache = kv_cache::create(config(), format, context, chunk);
  EXPECT_TRUE(succeeds(cache));
  return *std::move(cache);
}

// Marks a position: its key holds the number, its value the negative.
void write(kv_cache& cache, std::uint32_t layer, std::uint32_t head, std::uint32_t position) {
  const auto slot = cache.at(layer, head, position);
  const auto x = static_cast<float>(position + 1000 * head);
  const auto y = -x;
  std::memcpy(slot.key, &x, 4);
  std::memcpy(slot.value, &y, 4);
}

// The marks of positions [first, last], in order.
std::vector<float> read(const kv_cache& cache, std::uint32_t layer, std::uint32_t head,
                        std::uint32_t first, std::uint32_t last) {
  auto out = std::vector<float>{};
  const auto row = config().head_dim_of(layer) * sizeof(float);
  const auto runs = cache.read(layer, head, first, last);
  auto next = first;
  for (auto i = 0; i < runs.count; ++i) {
    EXPECT_EQ(runs.part[i].first, next);
    for (auto j = 0u; j < runs.part[i].count; ++j) {
      float key, value;
      std::memcpy(&key, runs.part[i].keys + j * row, 4);
      std::memcpy(&value, runs.part[i].values + j * row, 4);
      EXPECT_EQ(key, -value);
      out.push_back(key);
    }
    next += runs.part[i].count;
  }
  EXPECT_EQ(next, last + 1);
  return out;
}

std::vector<float> counting(std::uint32_t first, std::uint32_t last, std::uint32_t head = 0) {
  auto out = std::vector<float>{};
  for (auto p = first; p <= last; ++p)
    out.push_back(static_cast<float>(p + 1000 * head));
  return out;
}

TEST(KvCache, FullLayersKeepEverything) {
  auto cache = make(100, 4);
  for (auto p = 0u; p < 100; ++p)
    write(cache, full_layer, 0, p);
  EXPECT_EQ(cache.read(full_layer, 0, 0, 99).count, 1);
  EXPECT_EQ(read(cache, full_layer, 0, 0, 99), counting(0, 99));
}

TEST(KvCache, ARingKeepsAWindowForEveryRowOfAChunk) {
  // Window 8 and chunk 4: eleven slots.
  auto cache = make(100, 4);
  for (auto p = 0u; p < 100; ++p)
    write(cache, 0, 0, p);
  // Rows 96..99 were one chunk; the first of them sees 89..96, the last 92..99.
  EXPECT_EQ(read(cache, 0, 0, 89, 96), counting(89, 96));
  EXPECT_EQ(read(cache, 0, 0, 92, 99), counting(92, 99));
}

TEST(KvCache, AWrappedRangeComesInTwoRunsInAscendingOrder) {
  auto cache = make(100, 4);
  for (auto p = 0u; p < 25; ++p)
    write(cache, 1, 1, p);
  const auto wrapped = cache.read(1, 1, 15, 24); // slot 22 of 11 is slot 0
  ASSERT_EQ(wrapped.count, 2);
  EXPECT_EQ(wrapped.part[0].first, 15u);
  EXPECT_EQ(wrapped.part[0].count, 7u);
  EXPECT_EQ(wrapped.part[1].first, 22u);
  EXPECT_EQ(wrapped.part[1].count, 3u);
  EXPECT_EQ(read(cache, 1, 1, 15, 24), counting(15, 24, 1));
  EXPECT_EQ(cache.read(1, 1, 14, 21).count, 1);
  EXPECT_EQ(cache.read(1, 1, 21, 22).count, 2);
  EXPECT_EQ(cache.read(1, 1, 22, 24).count, 1);
  EXPECT_EQ(cache.read(1, 1, 24, 24).count, 1);
}

TEST(KvCache, EveryWindowAtEveryPositionIsWhole) {
  for (const auto chunk : {1u, 2u, 3u, 8u, 13u}) {
    auto cache = make(60, chunk);
    for (auto first = 0u; first < 60; first += chunk) {
      const auto end = std::min(first + chunk, 60u);
      for (auto p = first; p < end; ++p)
        for (const auto head : {0u, 1u})
          write(cache, 0, head, p);
      for (auto p = first; p < end; ++p)
        for (const auto head : {0u, 1u}) {
          const auto oldest = p < 7 ? 0 : p - 7;
          ASSERT_EQ(read(cache, 0, head, oldest, p), counting(oldest, p, head))
              << "chunk " << chunk << " position " << p;
        }
    }
  }
}

TEST(KvCache, HeadsAndLayersDoNotShareSlots) {
  auto cache = make(16, 16);
  for (const auto layer : {0u, 1u})
    for (const auto head : {0u, 1u})
      for (auto p = 0u; p < 16; ++p)
        write(cache, layer, head, p);
  for (const auto layer : {0u, 1u})
    for (const auto head : {0u, 1u})
      EXPECT_EQ(read(cache, layer, head, 0, 15), counting(0, 15, head));
}

TEST(KvCache, ReservesWhatTheContextNeedsInBothFormats) {
  // Two sliding layers of 2 heads of 32 with 11 slots, one full layer of 1 head of 64 with 100.
  const auto numbers = std::uint64_t{2} * 2 * 32 * 11 + 64 * 100;
  EXPECT_EQ(make(100, 4, kv_format::f32).reserved_bytes(), 2 * numbers * 4);
  EXPECT_EQ(make(100, 4, kv_format::f16).reserved_bytes(), 2 * numbers * 2);
}

TEST(KvCache, AShortContextNeedsNoRing) {
  const auto cache = make(5, 100);
  EXPECT_EQ(cache.max_chunk(), 5u);
  EXPECT_EQ(cache.max_context(), 5u);
  EXPECT_EQ(cache.reserved_bytes(), 2u * 4 * 5 * (2 * 2 * 32 + 64));
}

TEST(KvCache, MoreThanTheAddressSpaceHoldsIsAnErrorThatNamesTheLayer) {
  auto c = config();
  c.q_heads = c.kv_heads = c.global_kv_heads = 1024;
  c.head_dim = c.global_head_dim = 131072;
  EXPECT_TRUE(test::fails(kv_cache::create(c, kv_format::f32, 1u << 24, 256), errc::io,
                          {"KV cache of layer", "bytes"}));
}

} // namespace
} // namespace larql::gemma4
