// Mirrors runtime/models/gemma4/kv_cache.hpp and kv_block.hpp: what positions read back, what is
// forgotten, shared and given back.

#include "runtime/models/gemma4/kv_cache.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::gemma4 {
namespace {

using test::succeeds;

// Head sizes 32 and 64; layers 0 and 1 slide, layer 2 is full.
vindex::model_config config(std::uint32_t window = 100) {
  auto o = test::tiny_options{};
  o.window = window;
  return test::config_of(o);
}
constexpr auto full_layer = 2u;
constexpr auto context = 2000u;

// Marks a position: its key holds the number, its value the negative.
void write(const kv_cache::slot& slot, float x) {
  const auto y = -x;
  std::memcpy(slot.key, &x, 4);
  std::memcpy(slot.value, &y, 4);
}
float mark_of(std::uint32_t head, std::uint32_t position) {
  return static_cast<float>(position + 10000 * head);
}

struct marked_cache {
  kv_cache cache;

  explicit marked_cache(std::shared_ptr<kv_pool> pool = kv_pool::create(),
                        std::uint32_t window = 100)
      : cache(config(window), kv_format::f32, context, std::move(pool)) {}

  // Writes [first, end) as one chunk.
  void chunk(std::uint32_t first, std::uint32_t end, float shift = 0) {
    ASSERT_TRUE(succeeds(cache.prepare(first, end)));
    const auto c = config();
    for (auto l = 0u; l < c.layers; ++l)
      for (auto h = 0u; h < c.kv_heads_of(l); ++h)
        for (auto p = first; p < end; ++p)
          write(cache.at(l, h, p), mark_of(h, p) + shift);
  }
  // Writes and commits chunks up to `end`.
  void fill(std::uint32_t end, std::uint32_t size = 37) {
    for (auto first = 0u; first < end; first += size) {
      chunk(first, std::min(first + size, end));
      cache.forget_before(std::min(first + size, end));
    }
  }
};

// The marks that a head's runs hold.
std::vector<float> read(const kv_cache& cache, std::uint32_t layer, std::uint32_t head,
                        std::uint32_t first, std::uint32_t end) {
  auto out = std::vector<float>{};
  const auto row = config().head_dim_of(layer) * sizeof(float);
  auto runs = std::vector<kv_run>{};
  cache.read(layer, first, end, runs);
  auto next = first;
  for (const auto& run : runs) {
    EXPECT_EQ(run.first, next);
    for (auto j = 0u; j < run.count; ++j) {
      float key, value;
      std::memcpy(&key, run.keys + head * run.head_stride + j * row, 4);
      std::memcpy(&value, run.values + head * run.head_stride + j * row, 4);
      EXPECT_EQ(key, -value);
      out.push_back(key);
    }
    next += run.count;
  }
  EXPECT_EQ(next, end);
  return out;
}

std::vector<float> counting(std::uint32_t first, std::uint32_t end, std::uint32_t head = 0) {
  auto out = std::vector<float>{};
  for (auto p = first; p < end; ++p)
    out.push_back(mark_of(head, p));
  return out;
}

TEST(KvCache, FullLayersKeepEverything) {
  auto c = marked_cache{};
  c.fill(500);
  EXPECT_EQ(read(c.cache, full_layer, 0, 0, 500), counting(0, 500));
}

TEST(KvCache, SlidingLayersHaveTheWindowOfEveryRowOfAChunk) {
  for (const auto size : {1u, 7u, 64u, 150u}) {
    auto c = marked_cache{};
    for (auto first = 0u; first < 600; first += size) {
      const auto end = std::min(first + size, 600u);
      c.chunk(first, end);
      for (auto p = first; p < end; ++p)
        for (const auto head : {0u, 1u}) {
          const auto oldest = p < 99 ? 0 : p - 99;
          ASSERT_EQ(read(c.cache, 0, head, oldest, p + 1), counting(oldest, p + 1, head))
              << "chunk " << size << " position " << p;
        }
      c.cache.forget_before(end);
    }
  }
}

TEST(KvCache, RunsEndWithBlocksAndAscend) {
  auto c = marked_cache{};
  c.fill(300);
  auto runs = std::vector<kv_run>{};
  c.cache.read(0, 250, 300, runs);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].first, 250u);
  EXPECT_EQ(runs[0].count, 6u);
  EXPECT_EQ(runs[1].first, 256u);
  EXPECT_EQ(runs[1].count, 44u);
}

TEST(KvCache, AShortContextTakesMemoryForWhatIsWritten) {
  const auto pool = kv_pool::create();
  auto c = marked_cache{pool};
  EXPECT_EQ(pool->used_bytes(), 0u);
  c.fill(10);
  // One block of 64 positions in each layer: two of 2 heads of 32, one of 1 head of 64.
  EXPECT_EQ(pool->used_bytes(), std::uint64_t{2} * 4 * 64 * (2 * 2 * 32 + 64));
  EXPECT_EQ(pool->used_bytes(), c.cache.size_bytes());
}

TEST(KvCache, SlidingLayersTakeBoundedMemory) {
  const auto pool = kv_pool::create();
  auto c = marked_cache{pool};
  c.fill(1900);
  const auto sliding_block = std::uint64_t{2} * 4 * 64 * 2 * 32;
  const auto full = std::uint64_t{2} * 4 * 64 * 64 * 30;
  // The window, the slack, and up to a block at each end.
  EXPECT_LE(pool->used_bytes() - full, 2 * sliding_block * (100 / 64 + 4));
}

TEST(KvCache, SaysWhereItCanGoOn) {
  auto c = marked_cache{};
  c.fill(500);
  EXPECT_TRUE(c.cache.has_window(500));
  EXPECT_TRUE(c.cache.has_window(500 - kv_cache::slack_positions));
  EXPECT_FALSE(c.cache.has_window(300));
  EXPECT_TRUE(c.cache.has_window(0));
  EXPECT_FALSE(c.cache.has_window(600)) << "not written yet";
}

TEST(KvCache, AWindowBringsBackWhatSlidingLayersNeed) {
  auto c = marked_cache{};
  c.fill(500);
  const auto w = c.cache.window(500);
  c.chunk(500, 700);
  c.cache.forget_before(700);
  for (auto first = 700u; first < 1000; first += 50) {
    c.chunk(first, first + 50);
    c.cache.forget_before(first + 50);
  }
  EXPECT_FALSE(c.cache.has_window(500));
  for (const auto end : {500u, 470u, 436u}) {
    ASSERT_TRUE(c.cache.fits(w, end)) << end;
    c.cache.restore(w, end);
    c.cache.forget_from(end);
    EXPECT_TRUE(c.cache.has_window(end));
    EXPECT_EQ(read(c.cache, 1, 1, end - 99, end), counting(end - 99, end, 1));
  }
  EXPECT_FALSE(c.cache.fits(w, 501));
  EXPECT_FALSE(c.cache.fits(w, 300));
}

TEST(KvCache, WritingBesideAWindowDoesNotChangeIt) {
  auto c = marked_cache{};
  c.fill(150);
  const auto w = c.cache.window(150);
  c.chunk(150, 200, 0.5f); // in the block that the window shares
  c.cache.restore(w, 150);
  c.chunk(150, 160);
  EXPECT_EQ(read(c.cache, 0, 0, 60, 160), counting(60, 160));
}

TEST(KvCache, DraftsHaveSlotsOfTheirOwnUntilTheyAreAccepted) {
  auto c = marked_cache{};
  c.fill(130);
  ASSERT_TRUE(succeeds(c.cache.prepare_drafts()));
  for (auto l = 0u; l < 3; ++l)
    for (auto h = 0u; h < config().kv_heads_of(l); ++h)
      for (auto d = 0u; d < kv_cache::max_drafts; ++d)
        write(c.cache.draft_at(l, h, d), mark_of(h, 130) + static_cast<float>(1000 * d));
  const auto run = c.cache.read_draft(1, 3, 131);
  EXPECT_EQ(run.first, 131u);
  EXPECT_EQ(run.count, 1u);
  float key;
  std::memcpy(&key, run.keys + run.head_stride, 4);
  EXPECT_EQ(key, mark_of(1, 130) + 3000);
  EXPECT_EQ(read(c.cache, 0, 1, 40, 130), counting(40, 130, 1));
  ASSERT_TRUE(succeeds(c.cache.prepare(130, 131)));
  c.cache.accept(0, 130);
  for (auto l = 0u; l < 3; ++l)
    EXPECT_EQ(read(c.cache, l, 0, 100, 131), counting(100, 131)) << l;
}

TEST(KvPool, BoundsWhatIsInUseAndTakesBlocksBack) {
  const auto pool = kv_pool::create(300'000);
  auto a = pool->take(100'000), b = pool->take(100'000), c = pool->take(100'000);
  ASSERT_TRUE(a && b && c);
  EXPECT_TRUE(test::fails(pool->take(1), errc::unavailable,
                          {"KV memory: 300000 of 300000 bytes are in use"}));
  *a = nullptr;
  EXPECT_EQ(pool->used_bytes(), 200'000u);
  EXPECT_TRUE(pool->take(100'000));
}

TEST(KvPool, BlocksOutliveThePoolsOwner) {
  auto pool = kv_pool::create();
  auto block = *pool->take(4096);
  pool.reset();
  std::memset(block->data(), 1, block->size_bytes());
  block.reset();
}

TEST(KvPool, MoreThanTheAddressSpaceHoldsIsAnError) {
  EXPECT_TRUE(test::fails(kv_pool::create()->take(std::size_t{1} << 60), errc::io, {"bytes"}));
}

} // namespace
} // namespace larql::gemma4
