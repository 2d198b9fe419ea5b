// Mirrors runtime/models/gemma4/model.hpp and the checks of forward.hpp: numbers that are none are
// found in vectors when a model is loaded, in matrices by what is computed with them.

#include "runtime/models/gemma4/model.hpp"

#include "runtime/quant/half.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

namespace larql::gemma4 {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;
using test::tiny_vindex;

constexpr auto nan = std::numeric_limits<float>::quiet_NaN();
constexpr auto inf = std::numeric_limits<float>::infinity();

result<model> load(const tiny_vindex& v) {
  return model::load(v.path());
}

result<std::vector<float>> run(const tiny_vindex& v, std::initializer_list<std::uint32_t> ids,
                               kernels::simd_level level = kernels::best_simd_level()) {
  auto o = test::run_options{};
  o.simd = level;
  auto m = test::running_model::open(v.path(), o);
  EXPECT_TRUE(succeeds(m));
  return (*m)->logits(std::vector<std::uint32_t>{ids});
}

// Puts `value` into the last block of a tensor, where its encoding keeps a float.
void spoil(tiny_model& m, const std::string& key, float value) {
  const auto e = m.checkpoint().tensors.at(key).format;
  const auto data = m.bytes(key);
  auto* block = data.data() + data.size() - quant::shape_of(e).bytes;
  if (e == encoding::f32) {
    std::memcpy(block, &value, 4);
    return;
  }
  if (quant::facts_of(e).d_is == quant::d_kind::exponent) {
    block[quant::facts_of(e).d_at] = std::byte{255};
    return;
  }
  const auto h = e == encoding::bf16 ? quant::float_to_bf16(value) : quant::float_to_half(value);
  std::memcpy(block + quant::facts_of(e).d_at, &h, 2);
}

TEST(ModelLoad, AGoodModelLoads) {
  EXPECT_TRUE(succeeds(load(tiny_vindex{})));
  EXPECT_TRUE(succeeds(load(tiny_vindex{test::mixed_options()})));
}

TEST(ModelLoad, EveryVectorIsCheckedAndNamedWithItsLayer) {
  const std::pair<const char*, const char*> tensors[] = {
      {"router.scale", "router.scale"},
      {"router.per_expert_scale", "router.per_expert_scale"},
      {"layer_scalar", "layer_scalar"},
      {"input_layernorm.weight", "input_layernorm"},
      {"post_attention_layernorm.weight", "post_attention_layernorm"},
      {"pre_feedforward_layernorm.weight", "pre_feedforward_layernorm"},
      {"post_feedforward_layernorm_1.weight", "post_feedforward_layernorm_1"},
      {"pre_feedforward_layernorm_2.weight", "pre_feedforward_layernorm_2"},
      {"post_feedforward_layernorm_2.weight", "post_feedforward_layernorm_2"},
      {"post_feedforward_layernorm.weight", "post_feedforward_layernorm"},
      {"self_attn.q_norm.weight", "q_norm"},
      {"self_attn.k_norm.weight", "k_norm"},
  };
  const auto o = test::mixed_options();
  for (const auto& [key, name] : tensors) {
    auto m = tiny_model{o};
    spoil(m, fmt::format("layers.1.{}", key), std::string_view{key}.size() % 2 == 0 ? nan : -inf);
    EXPECT_TRUE(
        fails(load(tiny_vindex{m}), errc::corrupt, {"tiny.vindex/norms.bin: layer 1: ", name}));
  }
}

TEST(ModelLoad, TheFinalNormIsChecked) {
  auto m = tiny_model{test::mixed_options()};
  spoil(m, "norm.weight", inf);
  EXPECT_TRUE(fails(load(tiny_vindex{m}), errc::corrupt, {"tiny.vindex/norms.bin: norm: ", "inf"}));
}

// ---- found while running ------------------------------------------------------------------------

class NotFiniteMatrix : public testing::TestWithParam<encoding> {};

// No operation between the damaged number and the check may hide it, in any encoding.
TEST_P(NotFiniteMatrix, IsNamedWhenItIsUsedAndNeverBecomesALogit) {
  struct {
    const char *key, *name, *file;
  } const tensors[] = {{"self_attn.q_proj.weight", "attention q", "attn_weights_q4k.bin"},
                       {"self_attn.k_proj.weight", "attention k", "attn_weights_q4k.bin"},
                       {"self_attn.v_proj.weight", "attention v", "attn_weights_q4k.bin"},
                       {"self_attn.o_proj.weight", "attention o", "attn_weights_q4k.bin"},
                       {"mlp.gate_proj.weight", "dense gate", "interleaved_q4k.bin"},
                       {"mlp.up_proj.weight", "dense up", "interleaved_q4k.bin"},
                       {"mlp.down_proj.weight", "dense down", "interleaved_q4k.bin"},
                       {"router.proj.weight", "router", "norms.bin"}};
  const auto o = test::all_in(GetParam(), test::k_quant_options());
  for (const auto& [key, name, file] : tensors)
    for (const auto value : {nan, inf, -inf}) {
      auto m = tiny_model{o};
      spoil(m, fmt::format("layers.1.{}", key), value);
      const auto v = tiny_vindex{m};
      for (const auto level : kernels::simd_levels())
        EXPECT_TRUE(fails(
            run(v, {1, 2, 3}, level), errc::corrupt,
            {fmt::format("tiny.vindex/{}: layer 1: {}: row ", file, name), "NaN or infinite"}))
            << key << " " << value;
    }
}

TEST_P(NotFiniteMatrix, IsNamedIfItIsTheHead) {
  const auto plain = GetParam() == encoding::f16 || GetParam() == encoding::f32;
  const auto* embeddings =
      plain ? "embeddings.bin: embeddings" : "token_embeddings.bin: embeddings";
  for (const auto tied : {false, true})
    for (const auto softcap : {0.0f, 30.0f}) {
      auto o = test::all_in(GetParam(), test::k_quant_options());
      o.tied = tied;
      auto m = tiny_model{o};
      m.checkpoint().config.softcap = softcap;
      spoil(m, tied ? "embed_tokens.weight" : "lm_head.weight", nan);
      const auto v = tiny_vindex{m};
      for (const auto level : kernels::simd_levels())
        EXPECT_TRUE(fails(run(v, {1, 2, 3}, level), errc::corrupt,
                          {"tiny.vindex/", tied ? embeddings : "/output_head.bin: output head",
                           ": row 127 holds"}));
    }
}

INSTANTIATE_TEST_SUITE_P(Encodings, NotFiniteMatrix, testing::ValuesIn(quant::all_encodings),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

TEST(NotFinite, AnEmbeddingOfAnUntiedModelIsFoundWhenItIsUsed) {
  auto o = tiny_options{};
  o.tied = false;
  auto m = tiny_model{o};
  spoil(m, "embed_tokens.weight", nan); // the last token's row
  const auto v = tiny_vindex{m};
  EXPECT_TRUE(succeeds(run(v, {1, 2, 3})));
  EXPECT_TRUE(fails(run(v, {1, 127, 3}), errc::corrupt,
                    {"tiny.vindex/embeddings.bin: embeddings: row 127"}));
}

// Finite weights so large that products of them are not. Layer 2 is the last.
void make_huge(tiny_model& m, const std::string& key) {
  const auto& t = m.checkpoint().tensors.at(key);
  m.set(key, t.shape, std::vector<float>(t.data.size() / 4, 3e38f));
}

TEST(NotFinite, AnOverflowInAnyLayerIsAnErrorAndNeverALogit) {
  for (const auto layer : {0u, 1u, 2u})
    for (const auto* name : {"mlp.down_proj.weight", "self_attn.o_proj.weight"}) {
      auto m = tiny_model{tiny_options{}};
      make_huge(m, fmt::format("layers.{}.{}", layer, name));
      const auto logits = run(tiny_vindex{m}, {1, 2, 3});
      EXPECT_TRUE(fails(logits, errc::corrupt, {"not finite"})) << layer << " " << name;
    }
}

TEST(NotFinite, AnExpertsOverflowNamesTheLayer) {
  auto m = tiny_model{tiny_options{}};
  make_huge(m, "layers.1.experts.down_proj");
  EXPECT_TRUE(fails(run(tiny_vindex{m}, {1, 2, 3}), errc::corrupt, {"layer 1", "experts"}));
}

// ---- bytes --------------------------------------------------------------------------------------

TEST(DenseBytesPerToken, CountEveryDenseMatrixOnceAndAKeyThatIsTheValueOnce) {
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
