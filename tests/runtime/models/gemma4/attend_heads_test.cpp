// Mirrors runtime/models/gemma4/attend_heads.hpp.

#include "runtime/models/gemma4/attend_heads.hpp"

#include "runtime/quant/half.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace larql::gemma4 {
namespace {

constexpr auto dim = std::size_t{32};
constexpr auto positions = 150u;
constexpr auto run_length = 64u; // as blocks of the cache are long

/// Keys and values of one head, and queries of some rows at the last positions.
struct attended {
  explicit attended(kv_format f) : format(f) {
    auto random = test::random_source{7};
    const auto elements = [&] {
      const auto x = test::random_floats(random, positions * dim);
      auto out = std::vector<std::byte>(x.size() * (f == kv_format::f16 ? 2 : 4));
      for (auto i = std::size_t{0}; i < x.size(); ++i) {
        const auto h = quant::float_to_half(x[i]);
        f == kv_format::f16 ? std::memcpy(out.data() + 2 * i, &h, 2)
                            : std::memcpy(out.data() + 4 * i, &x[i], 4);
      }
      return out;
    };
    keys = elements();
    values = elements();
    queries = test::random_floats(random, positions * stride);
  }

  /// Results of rows [first, end), of which each sees at most `window` positions.
  std::vector<float> results(kernels::simd_level level, std::uint32_t first, std::uint32_t end,
                             std::uint32_t window, std::uint32_t heads) const {
    auto visible = std::vector<key_range>{};
    for (auto p = first; p < end; ++p)
      visible.push_back({p + 1 - std::min(window, p + 1), p + 1});
    const auto element = format == kv_format::f16 ? 2u : 4u;
    auto runs = std::vector<kv_run>{};
    for (auto p = visible.front().first; p < end;) {
      const auto count = std::min(end, (p / run_length + 1) * run_length) - p;
      runs.push_back(
          {p, count, keys.data() + p * dim * element, values.data() + p * dim * element, 0});
      p += count;
    }
    const auto rows = query_rows{queries.data() + first * stride, stride, heads, visible};
    auto scratch = std::vector<float>(attend_scratch(rows, dim));
    auto out = std::vector<float>((end - first) * stride);
    attend_rows(**kernels::kernels_for(level), format, dim, runs, 0, rows, scratch.data(),
                out.data());
    return out;
  }

  static constexpr std::size_t stride = 8 * dim + 16; // further heads lie between rows
  kv_format format;
  std::vector<std::byte> keys, values;
  std::vector<float> queries;
};

TEST(AttendRows, GivesEachRowTheBitsThatItHasAlone) {
  for (const auto format : {kv_format::f16, kv_format::f32}) {
    const auto a = attended{format};
    for (const auto level : kernels::simd_levels())
      for (const auto heads : {1u, 2u, 3u, 8u})
        for (const auto window : {1u, 3u, 20u, 70u, 1000u})
          for (const auto count : {1u, 2u, 5u, 16u}) {
            const auto first = positions - count;
            const auto together = a.results(level, first, positions, window, heads);
            for (auto r = 0u; r < count; ++r) {
              const auto alone =
                  a.results(kernels::simd_level::scalar, first + r, first + r + 1, window, heads);
              ASSERT_EQ(std::memcmp(alone.data(), together.data() + r * a.stride,
                                    alone.size() * sizeof(float)),
                        0)
                  << name_of(level) << ", " << heads << " heads, window " << window << ", row " << r
                  << " of " << count;
            }
          }
  }
}

TEST(AttendRows, ARowThatSeesOnePositionGetsItsValue) {
  const auto a = attended{kv_format::f32};
  const auto out = a.results(kernels::simd_level::scalar, 99, 100, 1, 2);
  for (auto h = 0u; h < 2; ++h)
    EXPECT_EQ(std::memcmp(out.data() + h * dim, a.values.data() + 99 * dim * 4, dim * 4), 0);
}

TEST(RowsOfTask, AreFewWhereThreadsWouldWait) {
  EXPECT_EQ(rows_of_task(256, 2, 8, 4096, 2), 16u);
  EXPECT_EQ(rows_of_task(256, 8, 2, 4096, 2), 8u);
  EXPECT_EQ(rows_of_task(256, 64, 1, 4096, 2), 1u);
  EXPECT_EQ(rows_of_task(1, 2, 8, 4096, 2), 1u);
  for (const auto rows : {1u, 2u, 7u, 33u, 256u})
    for (const auto threads : {1u, 2u, 16u, 64u}) {
      const auto together = rows_of_task(rows, 2, 8, 4096, threads);
      if (together > 1) {
        EXPECT_GE(rows * 8 / together, 4 * threads) << rows << " rows, " << threads << " threads";
      }
    }
}

TEST(RowsOfTask, AreFewWhereTheScoresOfALongContextWouldTakeMuchMemory) {
  for (const auto keys : {16'384u, 65'536u, 262'144u})
    EXPECT_LE(rows_of_task(256, 8, 2, keys, 2) * 8 * keys, std::max(8u * keys, 1u << 20)) << keys;
  EXPECT_EQ(rows_of_task(256, 8, 2, 262'144, 2), 1u);
}

} // namespace
} // namespace larql::gemma4
