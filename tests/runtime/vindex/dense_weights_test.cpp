// Mirrors runtime/vindex/vindex.hpp: the dense tensors of a vindex, and what is refused on opening.

#include "runtime/vindex/vindex.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;
using test::tiny_vindex;

void expect_bytes(const quant::matrix_view& got, const import::source_tensor& want) {
  EXPECT_EQ(got.format, want.format) << want.name;
  ASSERT_EQ(got.rows, want.rows()) << want.name;
  ASSERT_EQ(got.cols, want.cols()) << want.name;
  ASSERT_EQ(got.size_bytes(), want.data.size()) << want.name;
  EXPECT_EQ(0, std::memcmp(got.data, want.data.data(), want.data.size())) << want.name;
}

void expect_floats(std::span<const float> got, const import::source_tensor& want) {
  ASSERT_EQ(got.size_bytes(), want.data.size()) << want.name;
  EXPECT_EQ(0, std::memcmp(got.data(), want.data.data(), want.data.size())) << want.name;
}

TEST(DenseWeights, EveryTensorHasTheBytesOfItsSource) {
  const auto model = tiny_model{test::mixed_options()};
  const auto v = tiny_vindex{model};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  const auto& tensors = model.checkpoint().tensors;
  expect_bytes(w->embeddings, tensors.at("embed_tokens.weight"));
  expect_bytes(w->head, tensors.at("lm_head.weight"));
  expect_floats(w->final_norm, tensors.at("norm.weight"));
  for (auto l = 0u; l < v.config().layers; ++l) {
    const auto of = [&](const std::string& name) {
      return tensors.at(fmt::format("layers.{}.{}", l, name));
    };
    const auto& t = w->layers[l];
    expect_bytes(t.q, of("self_attn.q_proj.weight"));
    expect_bytes(t.k, of("self_attn.k_proj.weight"));
    expect_bytes(t.o, of("self_attn.o_proj.weight"));
    if (v.config().sliding[l])
      expect_bytes(t.v, of("self_attn.v_proj.weight"));
    expect_bytes(t.gate, of("mlp.gate_proj.weight"));
    expect_bytes(t.up, of("mlp.up_proj.weight"));
    expect_bytes(t.down, of("mlp.down_proj.weight"));
    expect_bytes(t.router, of("router.proj.weight"));
    expect_floats(t.input_norm, of("input_layernorm.weight"));
    expect_floats(t.post_attention_norm, of("post_attention_layernorm.weight"));
    expect_floats(t.pre_dense_norm, of("pre_feedforward_layernorm.weight"));
    expect_floats(t.post_dense_norm, of("post_feedforward_layernorm_1.weight"));
    expect_floats(t.pre_expert_norm, of("pre_feedforward_layernorm_2.weight"));
    expect_floats(t.post_expert_norm, of("post_feedforward_layernorm_2.weight"));
    expect_floats(t.post_ffn_norm, of("post_feedforward_layernorm.weight"));
    expect_floats(t.q_norm, of("self_attn.q_norm.weight"));
    expect_floats(t.k_norm, of("self_attn.k_norm.weight"));
    expect_floats(t.router_scale, of("router.scale"));
    expect_floats(t.per_expert_scale, of("router.per_expert_scale"));
    expect_floats({&t.layer_scalar, 1}, of("layer_scalar"));
  }
}

TEST(DenseWeights, ViewsOutliveAMoveOfTheirOwner) {
  auto o = tiny_options{};
  o.per_expert_scale = false; // the ones that stand in for it are the owner's
  const auto v = tiny_vindex{o};
  auto first = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(first));
  const auto moved = *std::move(first);
  EXPECT_EQ(moved.layers[0].per_expert_scale[o.experts - 1], 1.0f);
  EXPECT_NE(moved.layers[0].input_norm[0], 0.0f);
}

TEST(DenseWeights, TheFileOfAViewIsTheOneThatHoldsIt) {
  const auto o = test::mixed_options();
  const auto v = tiny_vindex{o};
  auto first = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(first));
  const auto w = *std::move(first);
  for (const auto& t : w.layers) {
    for (const auto* m : {&t.q, &t.k, &t.v, &t.o})
      EXPECT_EQ(w.file_of(m->data), v / attention_file);
    for (const auto* m : {&t.gate, &t.up, &t.down})
      EXPECT_EQ(w.file_of(m->data), v / dense_file);
    EXPECT_EQ(w.file_of(t.router.data), v / norms_file);
    EXPECT_EQ(w.file_of(t.input_norm.data()), v / norms_file);
  }
  EXPECT_EQ(w.file_of(w.final_norm.data()), v / norms_file);
  EXPECT_EQ(w.file_of(w.embeddings.data), v / embeddings_any_file);
  EXPECT_EQ(w.file_of(w.head.data), v / head_any_file);
}

TEST(DenseWeights, TheFileOfATiedHeadIsThatOfTheEmbeddings) {
  const auto v = tiny_vindex{};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_EQ(w->file_of(w->embeddings.data), v / embeddings_file);
  EXPECT_EQ(w->file_of(w->head.data), v / embeddings_file);
}

TEST(DenseWeightsDeath, WhatIsNoViewLiesInNoFile) {
  const auto v = tiny_vindex{};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_DEATH((void) w->file_of(&w->layers[0].layer_scalar), "check failed");
}

// ---- V ------------------------------------------------------------------------------------------

TEST(DenseWeights, FullLayersWithoutAVShareTheBytesOfK) {
  const auto v = tiny_vindex{};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  for (auto l = 0u; l < v.config().layers; ++l)
    EXPECT_EQ(w->layers[l].v.data == w->layers[l].k.data, !v.config().sliding[l]) << "layer " << l;
}

TEST(DenseWeights, FullLayersWithAVOfTheirOwnKeepIt) {
  auto o = tiny_options{};
  o.own_global_v = true;
  const auto model = tiny_model{o};
  const auto v = tiny_vindex{model};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_NE(w->layers[2].v.data, w->layers[2].k.data);
  expect_bytes(w->layers[2].v, model.checkpoint().tensors.at("layers.2.self_attn.v_proj.weight"));
}

TEST(DenseWeights, TheReferencesVIsASecondCopyOfKInAnotherEncoding) {
  const auto v = tiny_vindex{{}, quant_kind::q4k};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  const auto& full = w->layers[2];
  EXPECT_EQ(full.k.format, encoding::q4_k);
  EXPECT_EQ(full.v.format, encoding::q6_k);
  EXPECT_NE(full.v.data, full.k.data);
}

// ---- optional vectors ---------------------------------------------------------------------------

TEST(DenseWeights, WhatTheFamilyMayLeaveOutCountsAsOne) {
  auto o = tiny_options{};
  o.per_expert_scale = o.layer_scalar = false;
  const auto v = tiny_vindex{o};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  for (const auto& t : w->layers) {
    EXPECT_EQ(t.layer_scalar, 1.0f);
    ASSERT_EQ(t.per_expert_scale.size(), o.experts);
    for (const auto x : t.per_expert_scale)
      EXPECT_EQ(x, 1.0f);
  }
}

TEST(DenseWeights, ALayerScalarOfZeroMeansNone) {
  auto model = tiny_model{test::tiny_options{}};
  const auto zero = 0.0f;
  model.set("layers.1.layer_scalar", {1}, {&zero, 1});
  const auto v = tiny_vindex{model};
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_EQ(w->layers[1].layer_scalar, 1.0f);
  EXPECT_NE(w->layers[0].layer_scalar, 1.0f);
}

TEST(DenseWeights, TheReferencesDuplicateOfANormIsAccepted) {
  const auto v = tiny_vindex{};
  auto count = 0;
  for (const auto& e : test::parse_json_text(test::read_file(v / "weight_manifest.json")))
    count += e["key"] == "layers.0.post_feedforward_layernorm_1.weight";
  EXPECT_EQ(count, 2); // our writer repeats it as the reference does
  EXPECT_TRUE(succeeds(dense_weights::open(v.path(), v.config())));
}

// ---- damage -------------------------------------------------------------------------------------

struct damaged {
  tiny_vindex v;

  result<dense_weights> open() const { return dense_weights::open(v.path(), v.config()); }
  void patch(std::string_view name, const std::function<void(json&)>& edit) const {
    test::patch_json(v / name, edit);
  }
};

TEST(DenseWeightsDamage, EveryMissingFileIsNamed) {
  for (const auto name : {norms_file, weight_manifest_file, attention_file, attention_manifest_file,
                          dense_file, dense_manifest_file, embeddings_file}) {
    const auto d = damaged{};
    std::filesystem::remove(d.v / name);
    EXPECT_TRUE(fails(d.open(), errc::not_found, {(d.v / name).string()}));
  }
}

TEST(DenseWeightsDamage, EveryMissingVectorIsNamed) {
  auto keys = std::vector<std::string>{"norm.weight"};
  for (const auto* name :
       {"input_layernorm.weight", "post_attention_layernorm.weight",
        "pre_feedforward_layernorm.weight", "post_feedforward_layernorm_1.weight",
        "pre_feedforward_layernorm_2.weight", "post_feedforward_layernorm_2.weight",
        "post_feedforward_layernorm.weight", "self_attn.q_norm.weight", "self_attn.k_norm.weight",
        "router.scale", "router.proj.weight"})
    keys.push_back(fmt::format("layers.1.{}", name));
  const auto d = damaged{};
  const auto whole = test::read_file(d.v / weight_manifest_file);
  for (const auto& key : keys) {
    test::write_file(d.v / weight_manifest_file, whole);
    d.patch(weight_manifest_file, [&](json& m) {
      m.erase(std::remove_if(m.begin(), m.end(), [&](const json& e) { return e["key"] == key; }),
              m.end());
    });
    EXPECT_TRUE(
        fails(d.open(), errc::corrupt, {(d.v / weight_manifest_file).string(), key, "missing"}));
  }
}

TEST(DenseWeightsDamage, AVectorOfAnotherLengthIsNamedWithBoth) {
  const auto d = damaged{};
  d.patch(weight_manifest_file, [](json& m) {
    for (auto& e : m)
      if (e["key"] == "layers.2.self_attn.q_norm.weight") // a full layer: 64 floats
        e["length"] = 32 * 4;
  });
  EXPECT_TRUE(fails(d.open(), errc::mismatch,
                    {"layers.2.self_attn.q_norm.weight", "32 floats", "expected 64"}));
}

TEST(DenseWeightsDamage, ATensorThatIsMissingShiftsNothing) {
  const auto d = damaged{};
  d.patch(attention_manifest_file, [](json& m) { m.erase(5); });
  EXPECT_TRUE(fails(d.open(), errc::corrupt,
                    {(d.v / attention_manifest_file).string(), "11 tensors", "expected 12"}));
  const auto e = damaged{};
  e.patch(dense_manifest_file, [](json& m) { m.push_back(m.back()); });
  EXPECT_TRUE(fails(e.open(), errc::corrupt,
                    {(e.v / dense_manifest_file).string(), "10 tensors", "expected 9"}));
}

TEST(DenseWeightsDamage, TensorsInAnotherOrderAreRefused) {
  const auto d = damaged{};
  d.patch(attention_manifest_file, [](json& m) { std::swap(m[0], m[3]); }); // both 128 wide
  EXPECT_TRUE(fails(d.open(), errc::corrupt,
                    {"layers.0.self_attn.o_proj.weight", "layers.0.self_attn.q_proj.weight"}));
  const auto e = damaged{};
  e.patch(dense_manifest_file, [](json& m) { std::swap(m[0], m[1]); });
  EXPECT_TRUE(fails(e.open(), errc::corrupt,
                    {"layers.0.mlp.up_proj.weight", "layers.0.mlp.gate_proj.weight"}));
}

TEST(DenseWeightsDamage, AShapeThatIsNotTheModelsIsNamedWithBoth) {
  const auto d = damaged{};
  d.patch(dense_manifest_file, [](json& m) {
    m[0]["shape"] = {80, 256};
    m[0]["length"] = 80 * 256 * 4;
  });
  EXPECT_TRUE(fails(d.open(), errc::mismatch,
                    {"layers.0.mlp.gate_proj.weight", "[80, 256]", "[160, 256]"}));
  const auto e = damaged{};
  e.patch(dense_manifest_file, [](json& m) { // same bytes, other proportions
    m[0]["shape"] = {256, 160};
  });
  EXPECT_TRUE(fails(e.open(), errc::mismatch, {"[256, 160]", "[160, 256]"}));
}

TEST(DenseWeightsDamage, ATruncatedFileIsNamed) {
  for (const auto& [data, manifest] :
       {std::pair{attention_file, attention_manifest_file},
        std::pair{dense_file, dense_manifest_file}, std::pair{norms_file, weight_manifest_file}}) {
    const auto d = damaged{};
    const auto size = std::filesystem::file_size(d.v / data);
    test::set_file_size(d.v / data, size - 4);
    EXPECT_TRUE(fails(d.open(), errc::corrupt,
                      {(d.v / manifest).string(), "past the end of " + std::string{data},
                       std::to_string(size - 4)}));
  }
}

TEST(DenseWeightsDamage, AnIndexOfAnotherModelDoesNotFit) {
  const auto v = tiny_vindex{};
  const auto with = [&](auto edit) {
    auto c = v.config();
    edit(c);
    return dense_weights::open(v.path(), c);
  };
  EXPECT_FALSE(with([](model_config& c) { c.layers = 2, c.sliding.resize(2); }));
  EXPECT_FALSE(with([](model_config& c) { c.layers = 4, c.sliding.resize(4); }));
  EXPECT_FALSE(with([](model_config& c) { c.hidden = 512; }));
  EXPECT_FALSE(with([](model_config& c) { c.experts = 4; }));
  EXPECT_FALSE(with([](model_config& c) { c.vocab = 64; }));
  EXPECT_FALSE(with([](model_config& c) { c.q_heads = 2; }));
  EXPECT_FALSE(with([](model_config& c) { c.sliding[0] = false; }));
  EXPECT_TRUE(succeeds(with([](model_config&) {})));
}

} // namespace
} // namespace larql::vindex
