// Mirrors cli/laptop/context_choice.hpp.

#include "cli/laptop/context_choice.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

// Two full layers of 1 KV head of 128 numbers: 1 kB a token in half precision; sliding layers cost
// nothing more.
vindex::model_config model(std::uint32_t trained) {
  auto out = vindex::model_config{};
  out.layers = 3;
  out.sliding = {true, false, false};
  out.kv_heads = 4;
  out.head_dim = 64;
  out.global_kv_heads = 1;
  out.global_head_dim = 128;
  out.trained_context = trained;
  return out;
}

constexpr std::uint64_t per_token = 1024;

TEST(ContextChoice, IsWhatTheModelWasTrainedForWhereThereIsMemory) {
  const auto c = choose_context(model(131072), gemma4::kv_format::f16, 131072 * per_token * 2);
  EXPECT_EQ(c.tokens, 131072u);
  EXPECT_EQ(c.reason, context_reason::trained);
  EXPECT_EQ(c.text(), "131072 tokens, as the model was trained");
  EXPECT_EQ(choose_context(model(131072), gemma4::kv_format::f16, std::nullopt).tokens, 131072u);
}

TEST(ContextChoice, TakesHalfOfTheFreeMemoryAtMost) {
  const auto c = choose_context(model(131072), gemma4::kv_format::f16, 131072 * per_token);
  EXPECT_EQ(c.tokens, 65536u);
  EXPECT_EQ(c.text(), "65536 tokens, as memory allows; the model was trained for 131072");
  EXPECT_EQ(choose_context(model(131072), gemma4::kv_format::f32, 131072 * per_token).tokens,
            32768u);
}

TEST(ContextChoice, IsNeverSmallerThanUsual) {
  EXPECT_EQ(choose_context(model(131072), gemma4::kv_format::f16, 0).tokens, usual_context);
  EXPECT_EQ(choose_context(model(512), gemma4::kv_format::f16, 0).tokens, 512u);
  EXPECT_EQ(choose_context(model(0), gemma4::kv_format::f16, 0).tokens, usual_context);
  EXPECT_EQ(choose_context(model(0), gemma4::kv_format::f16, 0).text(), "8192 tokens");
}

} // namespace
} // namespace larql::cli
