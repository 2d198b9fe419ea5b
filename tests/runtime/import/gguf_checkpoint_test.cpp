// Mirrors runtime/import/gguf_checkpoint.hpp: numbers and tensors of a Gemma 4 GGUF, and every
// file that is refused.

#include "runtime/import/gguf_checkpoint.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace larql::import {
namespace {

using quant::encoding;
using test::fails;
using test::gguf_of;
using test::gguf_writer;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;

class GgufCheckpoint : public testing::Test {
protected:
  [[nodiscard]] static gguf_writer good(const tiny_options& o = {}) {
    return gguf_of(tiny_model{o}.checkpoint());
  }
  result<checkpoint> open(const gguf_writer& w) {
    w.write(path_);
    return open_gguf(path_);
  }

  test::temporary_directory dir_;
  std::filesystem::path path_ = dir_ / "model.gguf";
};

// ---- what a good file gives ---------------------------------------------------------------------

TEST_F(GgufCheckpoint, NumbersAreThoseOfTheMetadata) {
  const auto o = tiny_options{};
  const auto c = open(good());
  ASSERT_TRUE(succeeds(c));
  auto want = test::config_of(o);
  want.trained_context = 4096;
  EXPECT_EQ(c->config, want);
  EXPECT_EQ(c->config.embed_scale, std::sqrt(256.0f));
}

TEST_F(GgufCheckpoint, EveryTensorHasItsBytesUnderItsName) {
  const auto model = tiny_model{test::mixed_options()};
  const auto c = open(gguf_of(model.checkpoint()));
  ASSERT_TRUE(succeeds(c));
  const auto& want = model.checkpoint().tensors;
  ASSERT_EQ(c->tensors.size(), want.size());
  for (const auto& [key, t] : want) {
    ASSERT_TRUE(c->tensors.contains(key)) << key;
    const auto& got = c->tensors.at(key);
    EXPECT_EQ(quant::vindex_encoding(got.format), t.format) << key;
    EXPECT_EQ(got.format == encoding::q6_k_ggml, t.format == encoding::q6_k) << key;
    EXPECT_EQ(got.shape, t.shape) << key;
    ASSERT_EQ(got.data.size(), t.data.size()) << key;
    EXPECT_EQ(0, std::memcmp(got.data.data(), t.data.data(), t.data.size())) << key;
  }
}

TEST_F(GgufCheckpoint, OptionalNumbersHaveTheirDefaults) {
  auto w = good();
  for (const auto* key :
       {"general.name", "gemma4.rope.freq_base_swa", "gemma4.final_logit_softcapping",
        "gemma4.attention.shared_kv_layers", "gemma4.embedding_length_per_layer_input"})
    w.erase(key);
  const auto c = open(w);
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->config.model, "gemma4");
  EXPECT_EQ(c->config.rope_local_base, 1e4);
  EXPECT_EQ(c->config.softcap, 0.0f);
}

TEST_F(GgufCheckpoint, KeysThatLlamaCppDoesWithoutHaveItsDefaults) {
  auto o = tiny_options{};
  o.kv_heads = o.global_kv_heads = o.q_heads = 4; // of 256: heads of 64
  auto w = good(o);
  for (const auto* key : {"gemma4.attention.head_count_kv", "gemma4.attention.key_length",
                          "gemma4.attention.value_length", "gemma4.rope.freq_base"})
    w.erase(key);
  const auto c = open(w);
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->config.kv_heads, 4u);
  EXPECT_EQ(c->config.global_kv_heads, 4u);
  EXPECT_EQ(c->config.global_head_dim, 64u);
  EXPECT_EQ(c->config.rope_base, 1e4);
}

TEST_F(GgufCheckpoint, ANumberMayBeAListWithAnEntryForEachLayer) {
  auto w = good();
  const std::pair<const char*, std::int32_t> lists[] = {{"gemma4.feed_forward_length", 160},
                                                        {"gemma4.attention.head_count", 4},
                                                        {"gemma4.attention.sliding_window", 8},
                                                        {"gemma4.expert_used_count", 3}};
  for (const auto& [key, value] : lists)
    w.erase(key).i32s(key, std::vector(3, value));
  const auto c = open(w);
  ASSERT_TRUE(succeeds(c));
  auto want = test::config_of({});
  want.trained_context = 4096;
  EXPECT_EQ(c->config, want);
  for (const auto& [key, value] : lists) {
    EXPECT_TRUE(fails(open(good().erase(key).i32s(key, {value, value + 1, value})),
                      errc::unsupported, {key, "[1]", std::to_string(value + 1), "layer 0"}));
    EXPECT_TRUE(fails(open(good().erase(key).i32s(key, {value, value})), errc::corrupt,
                      {key, "2 entries", "expected 3"}));
    EXPECT_TRUE(fails(open(good().erase(key).i32s(key, {-1, -1, -1})), errc::unsupported, {key}));
  }
}

TEST_F(GgufCheckpoint, APatternMayBeOneAnswerForAllLayers) {
  auto o = tiny_options{};
  o.period = 0; // all slide
  constexpr auto key = "gemma4.attention.sliding_window_pattern";
  EXPECT_EQ(open(good(o).erase(key).boolean(key, true))->config.sliding,
            std::vector<bool>(3, true));
  EXPECT_EQ(open(good(o).erase(key).u32(key, 1))->config.sliding, std::vector<bool>(3, true));
  // llama.cpp would take this for "all"; other programs for every sixth.
  EXPECT_TRUE(fails(open(good(o).erase(key).u32(key, 6)), errc::unsupported, {key, "6", "list"}));
}

TEST_F(GgufCheckpoint, TheTrainedContextIsKept) {
  EXPECT_EQ(open(good())->config.trained_context, 4096u);
  EXPECT_EQ(open(good().erase("gemma4.context_length"))->config.trained_context, 0u);
}

TEST_F(GgufCheckpoint, KvHeadsMayBeOneNumberForAllLayers) {
  auto o = tiny_options{};
  o.kv_heads = o.global_kv_heads = 2;
  const auto c = open(
      good(o).erase("gemma4.attention.head_count_kv").u32("gemma4.attention.head_count_kv", 2));
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->config.kv_heads, 2u);
  EXPECT_EQ(c->config.global_kv_heads, 2u);
}

TEST_F(GgufCheckpoint, LayersOfOneKindOnlyStillGiveNumbersForBoth) {
  for (const auto period : {0u, 1u}) {
    auto o = tiny_options{};
    o.period = period;
    const auto c = open(good(o));
    ASSERT_TRUE(succeeds(c));
    EXPECT_GT(c->config.kv_heads, 0u);
    EXPECT_GT(c->config.global_kv_heads, 0u);
  }
}

TEST_F(GgufCheckpoint, FullLayersWithoutAVMakeVK) {
  EXPECT_TRUE(open(good())->config.k_eq_v);
  auto o = tiny_options{};
  o.own_global_v = true;
  EXPECT_FALSE(open(good(o))->config.k_eq_v);
}

TEST_F(GgufCheckpoint, TensorsOfOtherPartsAreListedAsSkipped) {
  const auto c = open(good()
                          .tensor("v.patch_embd.weight", {4}, 0, std::string(16, 'x'))
                          .tensor("mm.input_projection.weight", {4}, 99, std::string(16, 'x'))
                          .tensor("a.conv1d.0.bias", {4}, 0, std::string(16, 'x')));
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->skipped,
            (std::vector<std::string>{"v.patch_embd.weight", "mm.input_projection.weight",
                                      "a.conv1d.0.bias"}));
}

TEST_F(GgufCheckpoint, AnyOtherTensorThatHasNoPlaceIsRefusedByName) {
  for (const auto* name :
       {"blk.0.attn_q.bias", "blk.0.attn_norm.bias", "blk.0.ffn_gate_exps.bias",
        "blk.0.attn_q.input_scale", "blk.0.attn_sinks.weight", "blk.0.unknown.weight",
        "blk.3.attn_norm.weight" /* of three layers */, "blk.00.attn_norm.weight",
        "blk.x.attn_norm.weight", "blk.nonsense", "output.scale", "output.bias", "token_embd.scale",
        "per_layer_token_embd.weight", "blk.0.nextn.eh_proj.weight", "blk.0.ffn_gate_up_exps.scale",
        "surprise"})
    EXPECT_TRUE(fails(open(good().tensor(name, {4}, 0, std::string(16, 'x'))), errc::unsupported,
                      {path_.string(), fmt::format("\"{}\"", name), "3 layers"}));
}

// ---- scales -------------------------------------------------------------------------------------

TEST_F(GgufCheckpoint, ScalesAreTensorsOfTheirMatrices) {
  auto o = tiny_options{};
  o.fused_gate_up = false;
  const auto one = std::string("\0\0\0\x3f", 4); // 0.5
  auto eight = std::string{};
  for (auto i = 0; i < 8; ++i)
    eight += one;
  auto w = good(o);
  for (const auto* name :
       {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
    w.tensor(fmt::format("blk.0.{}.scale", name), {1}, 0, one);
  for (const auto* name : {"ffn_gate_exps", "ffn_up_exps"})
    w.tensor(fmt::format("blk.0.{}.scale", name), {8}, 0, eight);
  const auto c = open(w);
  ASSERT_TRUE(succeeds(c));
  for (const auto* key :
       {"self_attn.q_proj.scale", "self_attn.k_proj.scale", "self_attn.v_proj.scale",
        "self_attn.o_proj.scale", "mlp.gate_proj.scale", "mlp.up_proj.scale", "mlp.down_proj.scale",
        "experts.gate_proj.scale", "experts.up_proj.scale"})
    EXPECT_TRUE(c->tensors.contains(fmt::format("layers.0.{}", key))) << key;
}

TEST_F(GgufCheckpoint, AScaleWithoutItsMatrixIsRefused) {
  const auto one = std::string(4, '\0');
  // Gate and up of the experts are one tensor here, and the full layer has no V.
  for (const auto* name : {"blk.0.ffn_gate_exps.scale", "blk.2.attn_v.scale"})
    EXPECT_TRUE(fails(open(good().tensor(name, {1}, 0, one)), errc::unsupported,
                      {path_.string(), name, "not there"}));
  EXPECT_TRUE(fails(open(good().tensor("blk.0.attn_q.scale", {32}, 8, std::string(34, 'x'))),
                    errc::unsupported, {"blk.0.attn_q.scale", "Q8_0", "F32"}));
}

// ---- rope_freqs ---------------------------------------------------------------------------------

TEST_F(GgufCheckpoint, RopeDivisorsGiveTheShareThatRotates) {
  // 32 pairs of a full layer's head of 64.
  for (const auto pairs : {1u, 8u, 31u, 32u}) {
    auto divisors = std::vector<float>(32, 1e30f);
    std::fill_n(divisors.begin(), pairs, 1.0f);
    const auto c = open(good().tensor("rope_freqs.weight", {32}, 0,
                                      {reinterpret_cast<const char*>(divisors.data()), 128}));
    ASSERT_TRUE(succeeds(c));
    EXPECT_EQ(c->config.partial_rotary, pairs / 32.0);
    EXPECT_FALSE(c->tensors.contains("rope_freqs.weight")); // it is no weight of the vindex
  }
  EXPECT_EQ(open(good())->config.partial_rotary, 0.25); // without them, the family's
}

TEST_F(GgufCheckpoint, RopeDivisorsThatMeanSomethingElseAreRefused) {
  const auto with = [&](const std::vector<float>& d, std::uint32_t type = 0) {
    return open(good().tensor("rope_freqs.weight", {d.size()}, type,
                              {reinterpret_cast<const char*>(d.data()), d.size() * 4}));
  };
  auto d = std::vector<float>(32, 1.0f);
  d[20] = 8.0f; // a divisor of long-context models
  EXPECT_TRUE(fails(with(d), errc::unsupported, {path_.string(), "rope_freqs"}));
  EXPECT_TRUE(fails(with(std::vector<float>(32, 1e30f)), errc::unsupported, {"rope_freqs"}));
  EXPECT_TRUE(fails(with(std::vector<float>(32, NAN)), errc::unsupported, {"rope_freqs"}));
  EXPECT_TRUE(fails(with(std::vector<float>(16, 1.0f)), errc::corrupt, {"rope_freqs", "[32]"}));
  EXPECT_TRUE(fails(with(std::vector<float>(32, 1.0f), 1), errc::corrupt, {"rope_freqs", "F32"}));
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(GgufCheckpoint, OtherArchitecturesAreNamed) {
  EXPECT_TRUE(
      fails(open(good().erase("general.architecture").string("general.architecture", "llama")),
            errc::unsupported, {path_.string(), "llama", "gemma4"}));
  EXPECT_TRUE(
      fails(open(good().erase("general.architecture").string("general.architecture", "clip")),
            errc::unsupported, {"image part of a model", "mmproj"}));
  EXPECT_TRUE(fails(open(good().erase("general.architecture")), errc::corrupt,
                    {path_.string(), "general.architecture", "missing"}));
}

TEST_F(GgufCheckpoint, EveryMissingKeyIsNamed) {
  for (const auto* key :
       {"block_count", "embedding_length", "feed_forward_length", "attention.head_count",
        "attention.key_length_swa", "attention.value_length_swa", "attention.sliding_window",
        "attention.sliding_window_pattern", "attention.layer_norm_rms_epsilon", "expert_count",
        "expert_used_count"}) {
    const auto whole = fmt::format("gemma4.{}", key);
    EXPECT_TRUE(
        fails(open(good().erase(whole)), errc::corrupt, {path_.string(), whole, "missing"}));
  }
}

TEST_F(GgufCheckpoint, KeysOfWrongTypesAreNamed) {
  for (const auto* key : {"gemma4.block_count", "gemma4.embedding_length", "gemma4.rope.freq_base",
                          "gemma4.attention.sliding_window_pattern",
                          "gemma4.attention.head_count_kv", "gemma4.final_logit_softcapping"})
    EXPECT_TRUE(fails(open(good().erase(key).string(key, "6")), errc::corrupt,
                      {path_.string(), key, "type"}));
  // Two widths, as in models with a double-wide feed-forward block.
  EXPECT_TRUE(fails(open(good()
                             .erase("gemma4.feed_forward_length")
                             .i32s("gemma4.feed_forward_length", {160, 320, 160})),
                    errc::unsupported, {"gemma4.feed_forward_length", "[1] is 320", "160"}));
}

TEST_F(GgufCheckpoint, NumbersOutOfRangeAreNamedBeforeAnythingIsWritten) {
  const std::tuple<const char*, std::uint32_t, const char*> wrong[] = {
      {"block_count", 5000000, "block_count"},
      {"attention.head_count", 0, "num_q_heads"},
      {"attention.head_count", 4096, "num_q_heads"},
      {"attention.sliding_window", 0, "sliding_window"},
      {"expert_used_count", 0, "top_k"},
      {"expert_used_count", 300, "top_k"},
      {"expert_count", 5000, "num_experts"},
      {"embedding_length", 200000, "hidden_size"},
  };
  for (const auto& [key, value, named] : wrong) {
    const auto whole = fmt::format("gemma4.{}", key);
    EXPECT_TRUE(fails(open(good().erase(whole).u32(whole, value)), errc::corrupt,
                      {path_.string(), named, std::to_string(value)}))
        << key;
  }
  EXPECT_TRUE(fails(open(good().erase("gemma4.rope.freq_base").f32("gemma4.rope.freq_base", NAN)),
                    errc::corrupt, {"rope_base", "nan"}));
}

TEST_F(GgufCheckpoint, WhatTheFamilyHasButThisProgramLacksIsUnsupported) {
  EXPECT_TRUE(fails(open(good()
                             .erase("gemma4.attention.shared_kv_layers")
                             .u32("gemma4.attention.shared_kv_layers", 10)),
                    errc::unsupported, {"shared_kv_layers", "10"}));
  EXPECT_TRUE(fails(open(good()
                             .erase("gemma4.embedding_length_per_layer_input")
                             .u32("gemma4.embedding_length_per_layer_input", 256)),
                    errc::unsupported, {"per_layer_input", "256"}));
  EXPECT_TRUE(fails(
      open(good().erase("gemma4.attention.value_length").u32("gemma4.attention.value_length", 32)),
      errc::unsupported, {"value_length", "32", "64"}));
  const std::pair<const char*, float> others[] = {{"attn_logit_softcapping", 50.0f},
                                                  {"expert_shared_count", 1.0f},
                                                  {"nextn_predict_layers", 1.0f},
                                                  {"rope.scaling.factor", 8.0f}};
  for (const auto& [key, value] : others)
    EXPECT_TRUE(fails(open(good().f32(fmt::format("gemma4.{}", key), value)), errc::unsupported,
                      {path_.string(), key}));
  EXPECT_TRUE(fails(open(good().string("gemma4.rope.scaling.type", "yarn")), errc::unsupported,
                    {"rope.scaling.type", "yarn"}));
  EXPECT_TRUE(fails(open(good().u32("gemma4.rope.dimension_count", 16)), errc::unsupported,
                    {"rope.dimension_count", "16", "64"}));
  EXPECT_TRUE(fails(open(good().u32("gemma4.expert_feed_forward_length", 64)), errc::mismatch,
                    {"expert_feed_forward_length", "64", "96"}));
  EXPECT_TRUE(succeeds(open(good()
                                .u32("gemma4.rope.dimension_count", 64)
                                .u32("gemma4.rope.dimension_count_swa", 32)
                                .string("gemma4.rope.scaling.type", "none")
                                .u32("gemma4.expert_feed_forward_length", 96))));
}

TEST_F(GgufCheckpoint, ListsPerLayerHaveOneEntryEach) {
  EXPECT_TRUE(fails(open(good()
                             .erase("gemma4.attention.sliding_window_pattern")
                             .booleans("gemma4.attention.sliding_window_pattern", {true, false})),
                    errc::corrupt, {"sliding_window_pattern", "2 entries", "expected 3"}));
  const auto kv = [&](const std::vector<std::int32_t>& x) {
    return open(
        good().erase("gemma4.attention.head_count_kv").i32s("gemma4.attention.head_count_kv", x));
  };
  EXPECT_TRUE(fails(kv({2, 2}), errc::corrupt, {"head_count_kv", "2 entries", "expected 3"}));
  EXPECT_TRUE(fails(kv({2, 4, 1}), errc::unsupported, {"head_count_kv", "[1] is 4", "2"}));
  EXPECT_TRUE(fails(kv({-2, 2, 1}), errc::unsupported, {"head_count_kv", "[0] is -2"}));
}

TEST(Gguf, TensorTypesNeverChange) {
  const std::pair<encoding, std::uint32_t> types[] = {
      {encoding::f32, 0},      {encoding::f16, 1},
      {encoding::q4_0, 2},     {encoding::q5_0, 6},
      {encoding::q5_1, 7},     {encoding::q8_0, 8},
      {encoding::q4_k, 12},    {encoding::q5_k, 13},
      {encoding::q6_k, 14},    {encoding::iq4_nl, 20},
      {encoding::bf16, 30},    {encoding::q4_1, 3},
      {encoding::q2_k, 10},    {encoding::q3_k, 11},
      {encoding::iq2_xxs, 16}, {encoding::iq2_xs, 17},
      {encoding::iq3_xxs, 18}, {encoding::iq3_s, 21},
      {encoding::iq2_s, 22},   {encoding::iq4_xs, 23},
      {encoding::mxfp4, 39},   {encoding::q6_k_ggml, quant::no_ggml_type}};
  ASSERT_EQ(std::size(types), quant::encoding_count);
  for (const auto& [e, type] : types)
    EXPECT_EQ(quant::facts_of(e).ggml_type, type) << quant::name_of(e);
}

TEST_F(GgufCheckpoint, TensorTypesThatAreNotSupportedAreNamed) {
  // 4 and 5 are types that ggml gave up.
  auto largest = 0u;
  for (const auto& f : quant::block_table)
    if (f.ggml_type != quant::no_ggml_type)
      largest = std::max(largest, f.ggml_type);
  for (const auto type : {4u, 5u, largest + 1, ~0u})
    EXPECT_TRUE(fails(
        open(good()
                 .erase_tensor("blk.0.attn_q.weight")
                 .tensor("blk.0.attn_q.weight", {256, 128}, type, std::string(100, 'x'))),
        errc::unsupported, {path_.string(), "blk.0.attn_q.weight", std::to_string(type), "Q4_K"}));
}

TEST_F(GgufCheckpoint, TypesThatAreNotReadHaveTheirNameInTheError) {
  const std::pair<std::uint32_t, const char*> types[] = {
      {19, "IQ1_S"}, {29, "IQ1_M"}, {34, "TQ1_0"}, {35, "TQ2_0"}, {40, "NVFP4"}, {42, "Q2_0"}};
  for (const auto& [type, name] : types)
    EXPECT_TRUE(
        fails(open(good()
                       .erase_tensor("blk.0.attn_q.weight")
                       .tensor("blk.0.attn_q.weight", {256, 128}, type, std::string(100, 'x'))),
              errc::unsupported,
              {path_.string(), "blk.0.attn_q.weight", name, "IQ4_XS", "llama-quantize"}));
}

TEST_F(GgufCheckpoint, ExpertsThatArePaddedToWholeBlocksAreWiderExperts) {
  // As `--tensor-pad` makes them: gate, up and down of 704 are 768 wide, and the key says so.
  auto o = test::all_in(encoding::q3_k, test::k_quant_options());
  o.expert_width = 768;
  const auto c = open(good(o).u32("gemma4.expert_feed_forward_length", 768));
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->config.expert_width, 768u);
  EXPECT_EQ(c->tensors.at("layers.0.experts.down_proj").format, encoding::q3_k);
}

TEST_F(GgufCheckpoint, RowsAreWholeBlocks) {
  EXPECT_TRUE(fails(open(good()
                             .erase_tensor("blk.0.attn_q.weight")
                             .tensor("blk.0.attn_q.weight", {100, 128}, 12, std::string(100, 'x'))),
                    errc::corrupt, {"blk.0.attn_q.weight", "100", "Q4_K", "256"}));
}

TEST_F(GgufCheckpoint, ATruncatedFileNamesTheTensorThatIsCutOff) {
  auto w = good();
  w.write(path_);
  test::set_file_size(path_, std::filesystem::file_size(path_) - 1);
  EXPECT_TRUE(fails(open_gguf(path_), errc::corrupt, {path_.string(), "truncated", "tensor"}));
}

TEST_F(GgufCheckpoint, WithoutEmbeddingsOrExpertsItIsNoneOfOurs) {
  EXPECT_TRUE(fails(open(good().erase_tensor("token_embd.weight")), errc::corrupt,
                    {path_.string(), "token_embd.weight"}));
  EXPECT_TRUE(fails(open(good().erase_tensor("blk.0.ffn_down_exps.weight")), errc::unsupported,
                    {path_.string(), "blk.0.ffn_down_exps.weight", "mixture-of-experts"}));
}

TEST_F(GgufCheckpoint, FindTellsWhatIsMissingAndWhatHasAnotherShape) {
  const auto c = open(good());
  ASSERT_TRUE(succeeds(c));
  EXPECT_TRUE(succeeds(c->find("norm.weight", {256})));
  EXPECT_TRUE(fails(c->find("layers.9.mlp.up_proj.weight", {1}), errc::corrupt,
                    {path_.string(), "layers.9.mlp.up_proj.weight", "missing"}));
  EXPECT_TRUE(fails(c->find("layers.0.mlp.up_proj.weight", {256, 160}), errc::mismatch,
                    {"blk.0.ffn_up.weight", "[160, 256]", "[256, 160]"}));
}

TEST_F(GgufCheckpoint, AFilesFingerprintChangesWithIt) {
  const auto first = open(good());
  const auto same = open_gguf(path_);
  ASSERT_TRUE(succeeds(same));
  EXPECT_EQ(first->fingerprint, same->fingerprint);
  auto o = tiny_options{};
  o.vocab = 64;
  EXPECT_NE(open(good(o))->fingerprint, first->fingerprint);
}

} // namespace
} // namespace larql::import
