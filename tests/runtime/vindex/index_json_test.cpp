// Mirrors runtime/vindex/index_json.hpp: what is read, what is refused and how the refusal reads.

#include "runtime/vindex/index_json.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace larql::vindex {
namespace {

using test::fails;
using test::succeeds;

// As the reference writes it for the 26B model, without the fields that nobody reads.
json reference_index() {
  return test::parse_json_text(R"({
    "version": 2, "model": "google/gemma-4-26B-A4B-it", "family": "gemma4", "source": null,
    "checksums": {"embeddings.bin": "00"}, "num_layers": 30, "hidden_size": 2816,
    "intermediate_size": 2112, "vocab_size": 262144, "embed_scale": 53.065998,
    "extract_level": "all", "dtype": "f16", "quant": "q4k", "layer_bands": null, "layers": [],
    "down_top_k": 10, "has_model_weights": true, "ffn_layout": "per_layer",
    "model_config": {"model_type": "gemma4_text", "head_dim": 256, "num_q_heads": 16,
      "num_kv_heads": 8, "rope_base": 1000000.0, "sliding_window": 1024,
      "moe": {"num_experts": 128, "top_k": 8, "shared_expert": false,
              "router_type": "gemma4_top_k_softmax", "moe_intermediate_size": 704, "hybrid": true},
      "attention_k_eq_v": true, "global_head_dim": 512, "num_global_kv_heads": 2,
      "partial_rotary_factor": 0.25, "sliding_window_pattern": 6, "rope_local_base": 10000.0,
      "final_logit_softcapping": 30.0}})");
}

result<model_config> parse(const json& index) {
  return parse_index(test::json_text(index), "X/index.json");
}

result<model_config> parse_with(const std::function<void(json&)>& edit) {
  auto index = reference_index();
  edit(index);
  return parse(index);
}

TEST(IndexJson, TheReferencesFileGivesTheNumbersOf26B) {
  const auto c = parse(reference_index());
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->model, "google/gemma-4-26B-A4B-it");
  EXPECT_EQ(c->quant, quant_kind::q4k);
  EXPECT_EQ(c->layers, 30u);
  EXPECT_EQ(c->hidden, 2816u);
  EXPECT_EQ(c->dense_width, 2112u);
  EXPECT_EQ(c->vocab, 262144u);
  EXPECT_FLOAT_EQ(c->embed_scale, 53.065998f);
  EXPECT_EQ(c->q_heads, 16u);
  EXPECT_EQ(c->window, 1024u);
  EXPECT_TRUE(c->k_eq_v);
  EXPECT_EQ(c->rope_base, 1e6);
  EXPECT_EQ(c->rope_local_base, 1e4);
  EXPECT_EQ(c->partial_rotary, 0.25);
  EXPECT_EQ(c->softcap, 30.0f);
  EXPECT_EQ(c->rms_eps, 1e-6f);
  EXPECT_EQ(c->experts, 128u);
  EXPECT_EQ(c->top_k, 8u);
  EXPECT_EQ(c->expert_width, 704u);
  for (auto l = 0u; l < 30; ++l) {
    const auto full = l == 5 || l == 11 || l == 17 || l == 23 || l == 29;
    EXPECT_EQ(c->sliding[l], !full) << "layer " << l;
    EXPECT_EQ(c->head_dim_of(l), full ? 512u : 256u);
    EXPECT_EQ(c->kv_heads_of(l), full ? 2u : 8u);
  }
}

// ---- round trip ---------------------------------------------------------------------------------

TEST(IndexJson, WhatIsWrittenIsReadBack) {
  for (const auto kind : {quant_kind::q4k, quant_kind::lossless}) {
    auto c = test::config_of({});
    c.quant = kind;
    c.model = "a \"name\" with\nodd \xc3\xa9 letters";
    c.embed_scale = 16.062378f;
    c.rms_eps = 3e-6f;
    c.rope_base = 1234567.25;
    c.partial_rotary = 1.0 / 3;
    c.softcap = 0;
    c.k_eq_v = !c.k_eq_v;
    const auto back = parse_index(write_index(c, {}), "index.json");
    ASSERT_TRUE(succeeds(back));
    EXPECT_EQ(*back, c);
  }
}

TEST(IndexJson, TheActivationFunctionIsWrittenOnlyWhereItIsNotTheFamilys) {
  auto c = test::config_of({});
  EXPECT_EQ(write_index(c, {}).find("hidden_activation"), std::string::npos);
  c.activation = quant::activation_function::silu;
  const auto back = parse_index(write_index(c, {}), "index.json");
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(*back, c);
}

TEST(IndexJson, KeepsTheTokensThatTheModelWasTrainedForIfSomebodyKnowsThem) {
  auto c = test::config_of({});
  c.trained_context = 0;
  EXPECT_EQ(write_index(c, {}).find("max_position_embeddings"), std::string::npos);
  c.trained_context = 262144;
  const auto back = parse_index(write_index(c, {}), "index.json");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->trained_context, 262144u);
}

TEST(IndexJson, TheWrittenFileHasEveryFieldThatTheReferenceRequires) {
  const auto index = test::parse_json_text(write_index(test::config_of({}), {}));
  for (const auto* field :
       {"version", "model", "family", "num_layers", "hidden_size", "intermediate_size",
        "vocab_size", "embed_scale", "layers", "down_top_k", "has_model_weights", "model_config"})
    EXPECT_TRUE(index.contains(field)) << field;
  EXPECT_EQ(index["model_config"]["moe"]["hybrid"], true);
}

TEST(IndexJson, NamesThatAreNotUtf8AreWrittenWithReplacements) {
  auto c = test::config_of({});
  c.model = "caf\xe9";
  auto extras = index_extras{};
  extras.source = "\xff.gguf";
  const auto back = parse_index(write_index(c, extras), "index.json");
  ASSERT_TRUE(succeeds(back));
  EXPECT_EQ(back->model, "caf\xef\xbf\xbd");
}

TEST(IndexJson, UnknownFieldsAreIgnored) {
  const auto c = parse_with([](json& j) {
    j["fp4"] = {{"block", 137}};
    j["model_config"]["new_field"] = {1, 2, 3};
    j["model_config"]["moe"]["new_field"] = "x";
  });
  EXPECT_EQ(*c, *parse(reference_index()));
}

// ---- defaults -----------------------------------------------------------------------------------

TEST(IndexJson, OptionalFieldsHaveTheFamilysDefaults) {
  const auto c = parse_with([](json& j) {
    auto& m = j["model_config"];
    for (const auto* field :
         {"global_head_dim", "num_global_kv_heads", "partial_rotary_factor", "rope_base",
          "rope_local_base", "final_logit_softcapping", "attention_k_eq_v"})
      m.erase(field);
    m["sliding_window_pattern"] = nullptr; // null counts as absent
  });
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->global_head_dim, c->head_dim);
  EXPECT_EQ(c->global_kv_heads, c->kv_heads);
  EXPECT_EQ(c->partial_rotary, 0.25);
  EXPECT_EQ(c->rope_base, 1e6);
  EXPECT_EQ(c->rope_local_base, 1e4);
  EXPECT_EQ(c->softcap, 0.0f);
  EXPECT_FALSE(c->k_eq_v);
  EXPECT_EQ(c->activation, quant::activation_function::gelu);
  for (auto l = 0u; l < c->layers; ++l)
    EXPECT_EQ(c->sliding[l], (l + 1) % 6 != 0) << "layer " << l;
}

TEST(IndexJson, ThePatternSaysHowOftenALayerIsFull) {
  const auto every_third =
      parse_with([](json& j) { j["model_config"]["sliding_window_pattern"] = 3; });
  for (auto l = 0u; l < 30; ++l)
    EXPECT_EQ(every_third->sliding[l], (l + 1) % 3 != 0) << "layer " << l;
  const auto never = parse_with([](json& j) { j["model_config"]["sliding_window_pattern"] = 0; });
  for (auto l = 0u; l < 30; ++l)
    EXPECT_TRUE(never->sliding[l]) << "layer " << l;
}

TEST(IndexJson, LayerTypesWinOverThePattern) {
  const auto c = parse_with([](json& j) {
    auto types = std::vector<std::string>(30, "sliding_attention");
    types[0] = types[7] = "full_attention";
    j["model_config"]["layer_types"] = types;
  });
  ASSERT_TRUE(succeeds(c));
  for (auto l = 0u; l < 30; ++l)
    EXPECT_EQ(c->sliding[l], l != 0 && l != 7) << "layer " << l;
}

TEST(IndexJson, AWindowIsNeededOnlyWhereALayerSlides) {
  const auto no_window = [](json& j) { j["model_config"]["sliding_window"] = nullptr; };
  EXPECT_TRUE(fails(parse_with(no_window), errc::corrupt, {"sliding_window", "0"}));
  EXPECT_TRUE(succeeds(parse_with([&](json& j) {
    no_window(j);
    j["model_config"]["sliding_window_pattern"] = 1;
  })));
}

// ---- refusals -----------------------------------------------------------------------------------

// A field by its path, for messages and edits: "moe.top_k" lies in model_config.
json& at(json& index, const std::string& path) {
  if (path.starts_with("moe."))
    return index["model_config"]["moe"][path.substr(4)];
  return index["model_config"].contains(path) ? index["model_config"][path] : index[path];
}
void erase(json& index, const std::string& path) {
  auto& config = index["model_config"];
  index.erase(path);
  if (path.starts_with("moe."))
    config["moe"].erase(path.substr(4));
  else
    config.erase(path);
}
// "top_k" of "moe.top_k", bare and as it stands in messages.
std::string last_part(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}
std::string quoted(const std::string& path) {
  return fmt::format("\"{}\"", last_part(path));
}

const std::vector<std::string> required_integers = {"version",
                                                    "num_layers",
                                                    "hidden_size",
                                                    "intermediate_size",
                                                    "vocab_size",
                                                    "head_dim",
                                                    "num_q_heads",
                                                    "num_kv_heads",
                                                    "moe.num_experts",
                                                    "moe.top_k",
                                                    "moe.moe_intermediate_size"};
const std::vector<std::string> required_others = {"model",       "family",       "quant",
                                                  "embed_scale", "model_config", "moe"};
const std::vector<std::string> optional_integers = {"global_head_dim", "num_global_kv_heads",
                                                    "sliding_window", "sliding_window_pattern"};

TEST(IndexJson, EveryMissingRequiredFieldIsNamed) {
  for (const auto* list : {&required_integers, &required_others})
    for (const auto& field : *list)
      EXPECT_TRUE(fails(parse_with([&](json& j) { erase(j, field); }), errc::corrupt,
                        {"X/index.json", quoted(field), "missing"}))
          << field;
}

TEST(IndexJson, EveryIntegerOfAWrongTypeIsNamedWithWhatWasFound) {
  auto fields = required_integers;
  fields.insert(fields.end(), optional_integers.begin(), optional_integers.end());
  const std::pair<json, const char*> wrong[] = {
      {"16", "\"16\""}, {-1, "-1"}, {2.5, "2.5"}, {true, "true"}, {json::array(), "[]"}};
  for (const auto& field : fields)
    for (const auto& [value, shown] : wrong)
      EXPECT_TRUE(fails(parse_with([&](json& j) { at(j, field) = value; }), errc::corrupt,
                        {"X/index.json", quoted(field), shown, "expected a non-negative integer"}))
          << field;
}

TEST(IndexJson, EveryOtherFieldOfAWrongTypeIsNamedWithWhatWasExpected) {
  const std::tuple<const char*, json, const char*> wrong[] = {
      {"model", 5, "a string"},
      {"family", json::object(), "a string"},
      {"quant", true, "a string"},
      {"embed_scale", "53", "a number"},
      {"model_config", json::array(), "an object"},
      {"moe", "none", "an object"},
      {"attention_k_eq_v", 1, "true or false"},
      {"rope_base", "1e6", "a number"},
      {"rope_local_base", false, "a number"},
      {"partial_rotary_factor", json::array(), "a number"},
      {"final_logit_softcapping", "30", "a number"},
  };
  for (const auto& [field, value, expected] : wrong)
    EXPECT_TRUE(fails(parse_with([&](json& j) { at(j, field) = value; }), errc::corrupt,
                      {"X/index.json", field, std::string{"expected "} + expected}))
        << field;
}

TEST(IndexJson, EveryIntegerOutOfRangeIsNamedWithItsLimit) {
  const std::tuple<const char*, std::uint64_t> too_large[] = {
      {"num_layers", 513},         {"hidden_size", 131073}, {"intermediate_size", 131073},
      {"vocab_size", 4194305},     {"head_dim", 131088},    {"global_head_dim", 131088},
      {"num_q_heads", 1025},       {"num_kv_heads", 1025},  {"num_global_kv_heads", 1025},
      {"moe.num_experts", 4097},   {"moe.top_k", 257},      {"moe.moe_intermediate_size", 131073},
      {"sliding_window", 16777217}};
  for (const auto& [field, value] : too_large) {
    EXPECT_TRUE(fails(parse_with([&, f = std::string{field}, v = value](json& j) { at(j, f) = v; }),
                      errc::corrupt,
                      {"X/index.json", last_part(field), std::to_string(value), "expected"}))
        << field;
    EXPECT_TRUE(fails(parse_with([&, f = std::string{field}](json& j) { at(j, f) = ~0ull; }),
                      errc::corrupt, {"X/index.json", last_part(field), "18446744073709551615"}))
        << field;
  }
  for (const auto& field : required_integers) {
    if (field == "version")
      continue;
    EXPECT_TRUE(fails(parse_with([&](json& j) {
                        at(j, field) = 0;
                        if (field == "num_layers")
                          j["model_config"]["layer_types"] = json::array();
                      }),
                      errc::corrupt, {"X/index.json", last_part(field), "is 0"}))
        << field;
  }
}

TEST(IndexJson, NumbersThatMakeNoSenseAreNamed) {
  const std::tuple<const char*, json> wrong[] = {{"embed_scale", 0},
                                                 {"embed_scale", -1},
                                                 {"embed_scale", 1e300},
                                                 {"rope_base", 1.0},
                                                 {"rope_base", 1e13},
                                                 {"rope_local_base", -5},
                                                 {"partial_rotary_factor", 0},
                                                 {"partial_rotary_factor", 1.01},
                                                 {"final_logit_softcapping", -1},
                                                 {"final_logit_softcapping", 1e300},
                                                 {"rms_norm_eps", 0},
                                                 {"rms_norm_eps", 1},
                                                 {"head_dim", 24},
                                                 {"global_head_dim", 520},
                                                 {"num_kv_heads", 3},
                                                 {"num_global_kv_heads", 32},
                                                 {"moe.top_k", 129}};
  for (const auto& [field, value] : wrong)
    EXPECT_TRUE(fails(parse_with([f = std::string{field}, v = value](json& j) {
                        j["model_config"]["rms_norm_eps"] = 1e-6;
                        at(j, f) = v;
                      }),
                      errc::corrupt, {"X/index.json", last_part(field), "expected"}))
        << field << " " << value;
}

TEST(IndexJson, OtherVersionsFamiliesAndEncodingsAreUnsupported) {
  EXPECT_TRUE(fails(parse_with([](json& j) { j["version"] = 3; }), errc::unsupported,
                    {"X/index.json", "version", "3", "2"}));
  EXPECT_TRUE(fails(parse_with([](json& j) { j["family"] = "llama"; }), errc::unsupported,
                    {"X/index.json", "family", "llama", "gemma4"}));
  EXPECT_TRUE(fails(parse_with([](json& j) { j["quant"] = "none"; }), errc::unsupported,
                    {"X/index.json", "quant", "none", "q4k"}));
  EXPECT_TRUE(fails(parse_with([](json& j) { j["model_config"]["hidden_activation"] = "relu"; }),
                    errc::unsupported,
                    {"X/index.json", "hidden_activation", "relu", "gelu_pytorch_tanh"}));
  EXPECT_TRUE(fails(parse_with([](json& j) { j["model_config"]["num_kv_shared_layers"] = 10; }),
                    errc::unsupported, {"X/index.json", "num_kv_shared_layers", "10"}));
  EXPECT_TRUE(fails(parse_with([](json& j) { j["model_config"]["per_layer_embed_dim"] = 256; }),
                    errc::unsupported, {"X/index.json", "per_layer_embed_dim", "256"}));
}

TEST(IndexJson, LayerTypesAreCountedAndSpelled) {
  const auto with_types = [](json types) {
    return parse_with([&](json& j) { j["model_config"]["layer_types"] = types; });
  };
  EXPECT_TRUE(fails(with_types(std::vector<std::string>(29, "full_attention")), errc::corrupt,
                    {"X/index.json", "layer_types", "29", "30"}));
  auto types = json(std::vector<std::string>(30, "full_attention"));
  types[4] = "global";
  EXPECT_TRUE(fails(with_types(types), errc::corrupt,
                    {"X/index.json", "layer_types", "[4]", "global", "full_attention"}));
  types[4] = 1;
  EXPECT_TRUE(fails(with_types(types), errc::corrupt, {"layer_types", "[4]"}));
  EXPECT_TRUE(fails(with_types("full_attention"), errc::corrupt, {"layer_types", "an array"}));
}

TEST(IndexJson, TextThatIsNoObjectIsRefused) {
  for (const auto* text : {"", "{", "[]", "null", "7", "\"x\"", "{\"version\":2,}", "\xff"})
    EXPECT_TRUE(fails(parse_index(text, "X/index.json"), errc::corrupt, {"X/index.json"})) << text;
}

TEST(IndexJson, ADirectoryWithoutOneIsNoVindex) {
  const auto dir = test::temporary_directory{};
  EXPECT_TRUE(
      fails(read_index(dir.path()), errc::not_found, {dir.path().string(), "not a vindex"}));
  EXPECT_TRUE(fails(read_index(dir / "absent"), errc::not_found, {"absent", "not a vindex"}));
}

TEST(IndexJson, ErrorsOfAFileNameItsPath) {
  const auto dir = test::temporary_directory{};
  test::write_file(dir / "index.json", "{}");
  EXPECT_TRUE(fails(read_index(dir.path()), errc::corrupt, {(dir / "index.json").string()}));
}

} // namespace
} // namespace larql::vindex
