// Mirrors runtime/models/gemma4/traffic.hpp.

#include "runtime/models/gemma4/traffic.hpp"

#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::gemma4 {
namespace {

TEST(Traffic, CountsEveryDenseMatrixOnceAndAKeyThatIsTheValueOnce) {
  auto o = test::tiny_options{}; // F32; the full layer has no V of its own
  o.layers = 2;
  o.period = 2;
  const auto v = test::tiny_vindex{o};
  const auto m = test::running_model::open(v.path());
  ASSERT_TRUE(m);
  const auto attention_sliding = 2 * o.q_heads * o.head_dim + 2 * o.kv_heads * o.head_dim;
  const auto attention_full =
      2 * o.q_heads * o.global_head_dim + o.global_kv_heads * o.global_head_dim;
  const auto rows = attention_sliding + attention_full + 2 * (3 * o.dense_width + o.experts) +
                    o.vocab; // each as wide as hidden
  EXPECT_EQ(dense_bytes_per_token((*m)->model().weights), std::uint64_t{4} * rows * o.hidden);
}

} // namespace
} // namespace larql::gemma4
