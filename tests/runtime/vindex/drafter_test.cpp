// Mirrors runtime/vindex/drafter.hpp.

#include "runtime/vindex/drafter.hpp"

#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_drafter.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using test::fails;
using test::succeeds;

class Drafter : public testing::Test {
protected:
  void add(const test::drafter_options& o = {}) {
    test::tiny_drafter{vindex_.config(), o}.add_to(vindex_.path());
  }
  [[nodiscard]] result<drafter_weights> open() const {
    LARQL_TRY(const auto c, read_drafter(vindex_.path(), vindex_.config()));
    return drafter_weights::open(vindex_.path(), *c);
  }
  void patch(const std::function<void(json&)>& edit) {
    add();
    test::patch_json(vindex_ / drafter_file, edit);
  }
  void patch_manifest(const std::function<void(json&)>& edit) {
    add();
    test::patch_json(vindex_ / drafter_manifest_file, edit);
  }

  test::tiny_vindex vindex_;
};

TEST_F(Drafter, WhatIsWrittenIsRead) {
  auto c = test::tiny_drafter{vindex_.config()}.config();
  c.source = "mtp.gguf";
  const auto read = parse_drafter(write_drafter(c, "1.0"), "d", vindex_.config());
  ASSERT_TRUE(succeeds(read));
  EXPECT_EQ(*read, c);
}

TEST_F(Drafter, AVindexWithoutDrafterJsonHasNone) {
  const auto none = read_drafter(vindex_.path(), vindex_.config());
  ASSERT_TRUE(succeeds(none));
  EXPECT_FALSE(none->has_value());
}

TEST_F(Drafter, EveryTensorHasItsShapeAndItsNumbers) {
  auto o = test::drafter_options{};
  o.hidden = 80; // padded to 96 in blocks of 32, as 80 is no multiple
  add(o);
  const auto w = open();
  ASSERT_TRUE(succeeds(w));
  const auto made = test::tiny_drafter{vindex_.config(), o};
  EXPECT_EQ(w->pre_projection.rows, 80u);
  EXPECT_EQ(w->pre_projection.cols, 2 * vindex_.config().hidden);
  EXPECT_EQ(w->post_projection.rows, vindex_.config().hidden);
  EXPECT_EQ(w->head.rows, vindex_.config().vocab);
  ASSERT_EQ(w->layers.size(), 3u);
  EXPECT_EQ(w->layers[0].q.rows, 4 * vindex_.config().head_dim);
  EXPECT_EQ(w->layers[2].q.rows, 4 * vindex_.config().global_head_dim);
  for (const auto& t : made.tensors()) {
    if (t.key == "norm.weight") {
      EXPECT_EQ(0, std::memcmp(w->final_norm.data(), t.data.data(), t.data.size()));
    } else if (t.key == "layers.1.mlp.up_proj.weight") {
      EXPECT_EQ(0, std::memcmp(w->layers[1].up.data, t.data.data(), t.data.size()));
    } else if (t.key == "layers.2.layer_scalar") {
      EXPECT_EQ(0, std::memcmp(&w->layers[2].layer_scalar, t.data.data(), sizeof(float)));
    }
  }
}

TEST_F(Drafter, ALayerScalarMayBeMissingAndIsOne) {
  auto o = test::drafter_options{};
  o.layer_scalar = false;
  add(o);
  const auto w = open();
  ASSERT_TRUE(succeeds(w));
  EXPECT_EQ(w->layers[1].layer_scalar, 1.0f);
}

TEST_F(Drafter, ADrafterOfAnotherModelIsNamedWithTheNumber) {
  const auto bad = [&](const char* field, const json& value,
                       std::initializer_list<std::string_view> parts) {
    patch([&](json& j) { j["target"][field] = value; });
    EXPECT_TRUE(fails(open(), errc::mismatch, parts)) << field;
  };
  bad("hidden_size", 128, {"drafter.json", "another model", "hidden size", "128", "256"});
  bad("vocab_size", 64, {"vocabulary", "64", "128"});
  bad("head_dim", 16, {"head size of sliding layers", "16", "32"});
  bad("global_head_dim", 32, {"head size of full layers", "32", "64"});
  bad("sliding_window", 16, {"sliding window", "16", "8"});
  bad("rope_base", 1e5, {"RoPE base of full layers", "100000"});
  bad("rope_local_base", 1e5, {"RoPE base of sliding layers", "100000"});
  bad("partial_rotary_factor", 0.5, {"rotating part", "0.5", "0.25"});
  patch([](json& j) { j["num_q_heads"] = 3; });
  EXPECT_TRUE(fails(open(), errc::mismatch, {"num_q_heads", "3", "multiple of 2"}));
}

TEST_F(Drafter, EveryBadFieldIsNamed) {
  const auto bad = [&](errc code, const std::function<void(json&)>& edit,
                       std::initializer_list<std::string_view> parts) {
    patch(edit);
    EXPECT_TRUE(fails(open(), code, parts));
  };
  bad(errc::unsupported, [](json& j) { j["version"] = 2; }, {"drafter.json", "version", "2"});
  bad(errc::unsupported, [](json& j) { j["kind"] = "eagle"; }, {"kind", "eagle"});
  bad(errc::corrupt, [](json& j) { j.erase("target"); }, {"target"});
  bad(errc::corrupt, [](json& j) { j["layer_types"][1] = "linear"; },
      {"layer_types", "[1]", "linear"});
  bad(errc::corrupt, [](json& j) { j["layer_types"] = json::array(); }, {"number of layers", "0"});
  bad(errc::corrupt, [](json& j) { j["intermediate_size"] = 0; }, {"intermediate_size", "0"});
  bad(errc::corrupt, [](json& j) { j["rms_norm_eps"] = 2; }, {"rms_norm_eps", "2"});
}

TEST_F(Drafter, LayersWhoseKeysTheModelDoesNotHaveAreNamed) {
  auto o = test::tiny_options{};
  o.period = 0; // every layer slides
  const auto v = test::tiny_vindex{o};
  const auto c = test::tiny_drafter{v.config()}.config();
  EXPECT_TRUE(fails(check_drafter(c, v.config(), "d"), errc::mismatch, {"layer 2", "full"}));
}

TEST_F(Drafter, DamagedManifestsAndFilesAreNamed) {
  const auto bad = [&](errc code, const std::function<void(json&)>& edit,
                       std::initializer_list<std::string_view> parts) {
    patch_manifest(edit);
    EXPECT_TRUE(fails(open(), code, parts));
  };
  bad(errc::corrupt, [](json& j) { j.erase(j.size() - 1); },
      {"drafter_weights_manifest.json", "embed_tokens.weight", "missing"});
  bad(errc::corrupt,
      [](json& j) {
        j.push_back(j[0]);
        j.back()["key"] = "more";
      },
      {"tensors"});
  bad(errc::mismatch,
      [](json& j) {
        j[0]["shape"] = {1, 32};
        j[0]["length"] = 128;
      },
      {"layers.0.input_layernorm.weight", "[1, 32]", "[1, 64]"});
  bad(errc::corrupt,
      [](json& j) {
        j[0]["format"] = "BF16";
        j[0]["length"] = 128;
      },
      {"layers.0.input_layernorm.weight", "BF16", "F32"});
  bad(errc::corrupt, [](json& j) { j[1]["offset"] = 2; }, {"post_attention", "multiple of 4"});
  add();
  test::set_file_size(vindex_ / drafter_weights_file, 1000);
  EXPECT_TRUE(fails(open(), errc::corrupt, {"drafter_weights", "1000"}));
  std::filesystem::remove(vindex_ / drafter_weights_file);
  EXPECT_TRUE(fails(open(), errc::not_found, {"drafter_weights.bin"}));
}

} // namespace
} // namespace larql::vindex
