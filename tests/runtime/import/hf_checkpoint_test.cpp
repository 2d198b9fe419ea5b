// Mirrors runtime/import/hf_checkpoint.hpp, hf_config.hpp and hf_texts.hpp.

#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/import/hf_texts.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/safetensors_writer.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_model;
using vindex::quant_kind;

class HfCheckpoint : public testing::Test {
protected:
  void write(const test::tiny_options& o = {}, const test::hf_options& h = {}) {
    model_ = tiny_model{o};
    test::write_hf(model_.checkpoint(), hf_, h);
  }
  void patch_config(const std::function<void(json&)>& edit) {
    test::patch_json(hf_ / "config.json", [&](json& j) { edit(j["text_config"]); });
  }

  fs::path extracted(const checkpoint& source, const char* name, quant_kind quant) {
    test::extract_to(source, dir_ / name, quant);
    return dir_ / name;
  }

  test::temporary_directory dir_;
  fs::path hf_ = dir_ / "model";
  tiny_model model_{test::tiny_options{}};
};

TEST_F(HfCheckpoint, LogitsEqualThoseOfTheGgufOfTheSameWeights) {
  for (const auto e : {encoding::bf16, encoding::f32, encoding::f16})
    for (const auto quant : {quant_kind::lossless, quant_kind::q4k}) {
      SCOPED_TRACE(quant::name_of(e));
      auto o = test::all_in(e);
      o.tied = e != encoding::f16;
      write(o);
      test::gguf_of(model_.checkpoint()).write(dir_ / "m.gguf");
      const auto gguf = open_gguf(dir_ / "m.gguf");
      const auto hf = open_hf(hf_);
      ASSERT_TRUE(succeeds(gguf));
      ASSERT_TRUE(succeeds(hf));
      const auto a = extracted(*gguf, "a.vindex", quant), b = extracted(*hf, "b.vindex", quant);
      const auto ids = test::random_ids(12, o.vocab);
      EXPECT_EQ(test::logits_of(a, ids), test::logits_of(b, ids));
      auto left = test::read_tree(a), right = test::read_tree(b);
      for (const auto name : {vindex::index_file, vindex::checksums_file}) {
        left.erase(std::string{name}); // they name the source
        right.erase(std::string{name});
      }
      right.erase(std::string{vindex::generation_config_file}); // of config.json
      EXPECT_EQ(left, right);
      fs::remove_all(a);
      fs::remove_all(b);
      fs::remove_all(hf_);
    }
}

TEST_F(HfCheckpoint, NumbersAreThoseOfTheModel) {
  for (const auto nested : {true, false}) {
    write(test::all_in(encoding::bf16), {.nested_text = nested});
    const auto c = open_hf(hf_);
    ASSERT_TRUE(succeeds(c));
    auto want = model_.checkpoint().config;
    want.model = "model"; // the directory's name
    want.quant = c->config.quant;
    EXPECT_EQ(c->config, want);
  }
}

TEST_F(HfCheckpoint, ShardsAndPrefixesMakeNoDifference) {
  write(test::all_in(encoding::bf16));
  const auto want = open_hf(hf_);
  ASSERT_TRUE(succeeds(want));
  for (const auto* prefix : {"model.", "language_model.model.", "model.language_model.model.", ""})
    for (const auto shards : {1u, 3u}) {
      fs::remove_all(hf_);
      write(test::all_in(encoding::bf16), {.prefix = prefix, .shards = shards});
      const auto found = open_hf(hf_);
      ASSERT_TRUE(succeeds(found));
      ASSERT_EQ(found->tensors.size(), want->tensors.size());
      for (const auto& [key, t] : want->tensors)
        EXPECT_TRUE(std::ranges::equal(found->tensors.at(key).data, t.data)) << key;
    }
}

TEST_F(HfCheckpoint, TensorsOfOtherPartsAreSkippedAndListed) {
  write(test::all_in(encoding::bf16), {.vision = true});
  const auto c = open_hf(hf_);
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->skipped, (std::vector<std::string>{"model.vision_tower.patch.weight",
                                                  "model.embed_vision.count"}));
}

TEST_F(HfCheckpoint, AnUnknownTensorOfTheTextModelIsRefused) {
  for (const auto* name : {"model.language_model.layers.0.self_attn.q_proj.bias",
                           "model.language_model.layers.3.layer_scalar", "model.surprise"}) {
    write(test::all_in(encoding::bf16));
    test::write_file(hf_ / "more.safetensors",
                     test::safetensors_writer{}.tensor(name, "BF16", {1}, "12").bytes());
    auto map = json::object();
    map[name] = "more.safetensors";
    for (const auto& [key, t] : model_.checkpoint().tensors)
      map["model.language_model." + key] = "model.safetensors";
    test::write_file(hf_ / "model.safetensors.index.json", json{{"weight_map", map}}.dump());
    EXPECT_TRUE(fails(open_hf(hf_), errc::unsupported, {"more.safetensors", name, "3 layers"}));
    fs::remove_all(hf_);
  }
}

TEST_F(HfCheckpoint, DamagedDirectoriesAreNamed) {
  EXPECT_TRUE(fails(open_hf(hf_), errc::not_found, {hf_.string(), "config.json"}));
  write(test::all_in(encoding::bf16));
  fs::rename(hf_ / "model.safetensors", hf_ / "x");
  EXPECT_TRUE(fails(open_hf(hf_), errc::not_found,
                    {hf_.string(), "model.safetensors", "model.safetensors.index.json"}));
  const auto index = [&](const char* tensor, const char* file) {
    test::write_file(hf_ / "model.safetensors.index.json",
                     json{{"weight_map", {{tensor, file}}}}.dump());
    return open_hf(hf_);
  };
  EXPECT_TRUE(fails(index("a", "../x"), errc::corrupt, {"weight_map", "\"a\"", "../x"}));
  EXPECT_TRUE(fails(index("a", "x"), errc::corrupt, {"\"a\"", "not in x"}));
  EXPECT_TRUE(fails(index("a", "absent"), errc::not_found, {"absent"}));
}

TEST_F(HfCheckpoint, AMissingTensorAndAWrongShapeAreFoundBeforeAnythingIsWritten) {
  write(test::all_in(encoding::bf16));
  patch_config([](json& j) { j["intermediate_size"] = 96; });
  const auto c = open_hf(hf_);
  ASSERT_TRUE(succeeds(c));
  auto pool = compute_pool{1};
  EXPECT_TRUE(fails(extract(*c, dir_ / "o", pool, {}), errc::mismatch,
                    {"mlp.gate_proj.weight", "[160, 256]", "[96, 256]"}));
  EXPECT_FALSE(fs::exists(dir_ / "o.partial"));
}

TEST_F(HfCheckpoint, ModelsOfAnotherKindAreRefusedByName) {
  const auto refuse = [&](const char* key, const json& value,
                          std::initializer_list<std::string_view> parts, errc code) {
    write(test::all_in(encoding::bf16));
    patch_config([&](json& j) { j[key] = value; });
    EXPECT_TRUE(fails(open_hf(hf_), code, parts)) << key;
  };
  const auto unsupported = errc::unsupported;
  refuse("model_type", "llama", {"config.json", "model_type", "llama", "gemma4_text"}, unsupported);
  refuse("enable_moe_block", false, {"enable_moe_block", "mixture"}, unsupported);
  refuse("num_kv_shared_layers", 4, {"num_kv_shared_layers", "4"}, unsupported);
  refuse("hidden_size_per_layer_input", 256, {"hidden_size_per_layer_input"}, unsupported);
  refuse("use_double_wide_mlp", true, {"use_double_wide_mlp"}, unsupported);
  refuse("attention_bias", true, {"attention_bias"}, unsupported);
  refuse("hidden_activation", "silu", {"hidden_activation", "silu"}, unsupported);
  refuse("quantization_config", json::object(), {"quantization_config", "BF16"}, unsupported);
  refuse("layer_types", {"a", "b", "c"}, {"layer_types", "\"a\""}, unsupported);
  refuse("layer_types", json::array(), {"layer_types", "0", "3"}, errc::corrupt);
  refuse("num_experts", "many", {"num_experts", "many"}, errc::corrupt);
  refuse("rope_parameters", {{"full_attention", {{"rope_type", "yarn"}, {"rope_theta", 1}}}},
         {"full_attention", "yarn", "proportional"}, unsupported);
}

TEST_F(HfCheckpoint, AnUntiedHeadMustBeThere) {
  auto o = test::all_in(encoding::bf16);
  write(o);
  test::patch_json(hf_ / "config.json", [](json& j) { j["tie_word_embeddings"] = false; });
  EXPECT_TRUE(fails(open_hf(hf_), errc::corrupt, {"lm_head.weight", "tie_word_embeddings"}));
  o.tied = false;
  write(o);
  EXPECT_TRUE(open_hf(hf_)->tensors.contains("lm_head.weight"));
  test::patch_json(hf_ / "config.json", [](json& j) { j["tie_word_embeddings"] = true; });
  EXPECT_FALSE(open_hf(hf_)->tensors.contains("lm_head.weight"));
}

TEST_F(HfCheckpoint, AMissingVIsKOnlyWhereTheModelSaysSo) {
  auto o = test::all_in(encoding::bf16);
  write(o);
  EXPECT_TRUE(succeeds(open_hf(hf_)));
  patch_config([](json& j) { j["attention_k_eq_v"] = false; });
  EXPECT_TRUE(fails(open_hf(hf_), errc::corrupt, {"layers.2", "v_proj", "attention_k_eq_v"}));
  o.own_global_v = true;
  write(o);
  patch_config([](json& j) { j["attention_k_eq_v"] = false; });
  EXPECT_TRUE(succeeds(open_hf(hf_)));
}

TEST_F(HfCheckpoint, TextFilesTravelAlongAndTheTemplateIsFoundWhereverItIs) {
  const auto names = [&] {
    auto out = std::map<std::string, std::string>{};
    const auto files = read_hf_texts(hf_, json{1, 106});
    EXPECT_TRUE(succeeds(files));
    for (const auto& f : *files)
      out[f.name] = f.content;
    return out;
  };
  test::write_file(hf_ / "tokenizer.json", "T");
  test::write_file(hf_ / "special_tokens_map.json", "{}");
  test::write_file(hf_ / "tokenizer_config.json",
                   json{{"chat_template",
                         {{{"name", "tools"}, {"template", "x"}},
                          {{"name", "default"}, {"template", "of a list"}}}}}
                       .dump());
  EXPECT_EQ(names().at("chat_template.jinja"), "of a list");
  test::write_file(hf_ / "chat_template.json", "{\"chat_template\": \"of json\"}");
  EXPECT_EQ(names().at("chat_template.jinja"), "of json");
  test::write_file(hf_ / "chat_template.jinja", "plain");
  auto all = names();
  EXPECT_EQ(all.at("chat_template.jinja"), "plain");
  EXPECT_EQ(all.at("tokenizer.json"), "T");
  EXPECT_TRUE(all.contains("tokenizer_config.json"));
  EXPECT_EQ(test::parse_json_text(all.at("generation_config.json")),
            (json{{"eos_token_id", {1, 106}}}));
  test::write_file(hf_ / "generation_config.json", "{\"top_k\": 5}");
  EXPECT_EQ(names().at("generation_config.json"), "{\"top_k\": 5}");
  fs::remove(hf_ / "chat_template.jinja");
  test::write_file(hf_ / "chat_template.json", "{\"chat_template\": 7}");
  EXPECT_TRUE(fails(read_hf_texts(hf_, json()), errc::corrupt,
                    {"chat_template.json", "chat_template", "7"}));
}

} // namespace
} // namespace larql::import
