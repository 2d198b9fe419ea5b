// Mirrors runtime/models/gemma4/attention.hpp: who sees whom. A token is changed, and the logits
// tell at which positions that was noticed.

#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace larql::gemma4 {
namespace {

constexpr auto tokens = 24u;
constexpr auto vocab = 128u;

// Positions whose logits change when the token at `changed` does.
std::set<std::uint32_t> positions_that_notice(const test::tiny_vindex& v, std::uint32_t changed,
                                              std::uint32_t chunk) {
  auto run = test::run_options{};
  run.chunk = chunk;
  auto ids = test::random_ids(tokens, vocab);
  const auto before = test::logits_of(v.path(), ids, run);
  ids[changed] = (ids[changed] + 1) % vocab;
  const auto after = test::logits_of(v.path(), ids, run);
  auto out = std::set<std::uint32_t>{};
  for (auto p = 0u; p < tokens; ++p)
    if (std::memcmp(&before[p * vocab], &after[p * vocab], vocab * sizeof(float)) != 0)
      out.insert(p);
  return out;
}

std::set<std::uint32_t> range(std::uint32_t first, std::uint32_t last) {
  auto out = std::set<std::uint32_t>{};
  for (auto p = first; p <= last; ++p)
    out.insert(p);
  return out;
}

// One layer, so that what a position sees is what its attention sees.
test::tiny_vindex one_layer(bool sliding, std::uint32_t window) {
  auto o = test::tiny_options{};
  o.layers = 1;
  o.period = sliding ? 0 : 1;
  o.window = window;
  return test::tiny_vindex{o};
}

TEST(AttentionWindow, ASlidingLayerSeesExactlyTheWindowIncludingItself) {
  for (const auto window : {1u, 2u, 8u}) {
    const auto v = one_layer(true, window);
    for (const auto chunk : {1u, 5u, tokens}) {
      SCOPED_TRACE(fmt::format("window {} chunk {}", window, chunk));
      EXPECT_EQ(positions_that_notice(v, 0, chunk), range(0, window - 1));
      EXPECT_EQ(positions_that_notice(v, 9, chunk), range(9, 9 + window - 1));
    }
  }
}

TEST(AttentionWindow, AWindowAsLongAsTheTextSeesEverythingBefore) {
  const auto v = one_layer(true, tokens);
  EXPECT_EQ(positions_that_notice(v, 0, 5), range(0, tokens - 1));
}

TEST(AttentionWindow, AFullLayerSeesEverythingBefore) {
  const auto v = one_layer(false, 8);
  for (const auto chunk : {1u, 5u, tokens}) {
    EXPECT_EQ(positions_that_notice(v, 0, chunk), range(0, tokens - 1));
    EXPECT_EQ(positions_that_notice(v, 20, chunk), range(20, tokens - 1));
  }
}

TEST(AttentionWindow, NobodySeesTheFuture) {
  const auto v = test::tiny_vindex{};
  for (const auto changed : {1u, 12u, tokens - 1}) {
    const auto seen = positions_that_notice(v, changed, tokens);
    EXPECT_EQ(*seen.begin(), changed);
  }
}

TEST(AttentionWindow, LayersOfBothKindsAddUp) {
  // Two sliding layers of window 8 reach back 14; the full layer on top sees all.
  auto o = test::tiny_options{};
  o.layers = 2;
  o.period = 0;
  EXPECT_EQ(positions_that_notice(test::tiny_vindex{o}, 0, 5), range(0, 14));
  EXPECT_EQ(positions_that_notice(test::tiny_vindex{}, 0, 5), range(0, tokens - 1));
}

} // namespace
} // namespace larql::gemma4
