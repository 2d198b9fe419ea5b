// Mirrors runtime/import/drafter_checkpoint.hpp and add_drafter.hpp.

#include "runtime/import/add_drafter.hpp"

#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/manifest.hpp"
#include "runtime/vindex/package/slice.hpp"
#include "runtime/vindex/package/verify.hpp"
#include "runtime/vindex/presence.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/tiny_drafter.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_drafter;
using vindex::quant_kind;

class AddDrafter : public testing::Test {
protected:
  [[nodiscard]] tiny_drafter made(const test::drafter_options& o = {}) const {
    return tiny_drafter{vindex_.config(), o};
  }
  result<void> add(const fs::path& source, const fs::path& to,
                   quant_kind quant = quant_kind::lossless,
                   std::function<bool(const extract_progress&)> on_progress = {}) {
    LARQL_TRY(const auto d, open_drafter(source));
    auto o = add_drafter_options{};
    o.quant = quant;
    o.version = "1.2";
    o.on_progress = std::move(on_progress);
    return add_drafter(d, to, pool_, o);
  }
  [[nodiscard]] fs::path gguf_of(const tiny_drafter& d,
                                 const std::function<void(test::gguf_writer&)>& edit = {}) const {
    auto w = d.gguf();
    if (edit)
      edit(w);
    w.write(dir_ / "d.gguf");
    return dir_ / "d.gguf";
  }
  [[nodiscard]] fs::path hf_of(const tiny_drafter& d,
                               const std::function<void(json&)>& edit = {}) const {
    d.write_hf(dir_ / "hf");
    if (edit)
      test::patch_json(dir_ / "hf/config.json", edit);
    return dir_ / "hf";
  }
  [[nodiscard]] result<vindex::verify_report> verified(const fs::path& dir) {
    auto o = vindex::verify_options{};
    o.deep = true;
    return vindex::verify(dir, pool_, o);
  }
  void expect_verified(const fs::path& dir) {
    const auto report = verified(dir);
    ASSERT_TRUE(succeeds(report));
    EXPECT_TRUE(report->wrong.empty()) << report->wrong.front();
    EXPECT_TRUE(report->unchecked.empty()) << report->unchecked.front();
  }

  test::temporary_directory dir_;
  test::tiny_vindex vindex_;
  compute_pool pool_{2};
};

TEST_F(AddDrafter, ADrafterOfGgufAndOneOfSafetensorsGiveTheSameFiles) {
  for (const auto e : {encoding::f32, encoding::bf16, encoding::f16})
    for (const auto quant : {quant_kind::lossless, quant_kind::q4k}) {
      SCOPED_TRACE(quant::name_of(e));
      auto o = test::drafter_options{};
      o.matrices = e;
      const auto d = made(o);
      const auto other = test::tiny_vindex{};
      EXPECT_TRUE(is_drafter(gguf_of(d)));
      EXPECT_TRUE(is_drafter(hf_of(d)));
      ASSERT_TRUE(succeeds(add(gguf_of(d), vindex_.path(), quant)));
      ASSERT_TRUE(succeeds(add(hf_of(d), other.path(), quant)));
      for (const auto name : {vindex::drafter_weights_file, vindex::drafter_manifest_file})
        EXPECT_EQ(test::read_file(vindex_ / name), test::read_file(other / name)) << name;
      const auto a = vindex::read_drafter(vindex_.path(), vindex_.config());
      auto b = vindex::read_drafter(other.path(), vindex_.config());
      ASSERT_TRUE(succeeds(a));
      ASSERT_TRUE(succeeds(b));
      EXPECT_EQ((*a)->source, "d.gguf");
      EXPECT_EQ((*b)->source, "hf");
      (*b)->source = "d.gguf";
      EXPECT_EQ(**a, **b);
      expect_verified(vindex_.path());
    }
}

TEST_F(AddDrafter, LosslessKeepsEncodingsAndQ4kChoosesThem) {
  auto o = test::drafter_options{};
  o.hidden = o.dense_width = 256;
  o.matrices = encoding::q8_0;
  const auto source = gguf_of(made(o));
  const auto formats = [&] {
    const auto entries =
        vindex::read_matrix_manifest(vindex_ / vindex::drafter_manifest_file,
                                     fs::file_size(vindex_ / vindex::drafter_weights_file));
    EXPECT_TRUE(succeeds(entries));
    auto out = std::map<std::string, std::string>{};
    for (const auto& e : *entries)
      out[e.key] = quant::name_of(e.format);
    return out;
  };
  ASSERT_TRUE(succeeds(add(source, vindex_.path())));
  auto got = formats();
  EXPECT_EQ(got["layers.0.self_attn.q_proj.weight"], "Q8_0");
  EXPECT_EQ(got["layers.0.mlp.down_proj.weight"], "Q8_0");
  EXPECT_EQ(got["layers.0.input_layernorm.weight"], "F32");
  ASSERT_TRUE(succeeds(add(source, vindex_.path(), quant_kind::q4k)));
  got = formats();
  EXPECT_EQ(got["layers.0.self_attn.q_proj.weight"], "Q4_K");
  EXPECT_EQ(got["layers.0.mlp.down_proj.weight"], "Q6_K");
  EXPECT_EQ(got["embed_tokens.weight"], "Q4_K");
  EXPECT_EQ(got["layers.0.input_layernorm.weight"], "F32");
  expect_verified(vindex_.path());
}

TEST_F(AddDrafter, TheFilesOfTheModelStayAsTheyWere) {
  const auto before = test::read_tree(vindex_.path());
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  auto after = test::read_tree(vindex_.path());
  for (const auto name :
       {vindex::drafter_file, vindex::drafter_manifest_file, vindex::drafter_weights_file})
    EXPECT_EQ(after.erase(std::string{name}), 1u) << name;
  after.erase(std::string{vindex::checksums_lock_file});
  for (const auto& [name, content] : before)
    if (name != vindex::checksums_file) {
      EXPECT_EQ(after[name], content) << name;
    }
  EXPECT_EQ(after.size(), before.size());
  const auto sums = vindex::read_checksums(vindex_.path());
  ASSERT_TRUE(succeeds(sums));
  auto old = vindex::parse_checksums(before.at(std::string{vindex::checksums_file}), "before");
  ASSERT_TRUE(succeeds(old));
  EXPECT_EQ((*sums)->layers, old->layers);
  EXPECT_EQ((*sums)->files.size(), old->files.size() + 3);
}

TEST_F(AddDrafter, AStoppedOneLeavesNoneAndTheNextOneIsWhole) {
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  auto o = test::drafter_options{};
  o.seed = 2;
  const auto source = gguf_of(made(o));
  auto pieces = 0;
  EXPECT_TRUE(fails(add(source, vindex_.path(), quant_kind::lossless,
                        [&](const extract_progress&) { return ++pieces < 10; }),
                    errc::cancelled, {"stopped"}));
  const auto none = vindex::read_drafter(vindex_.path(), vindex_.config());
  ASSERT_TRUE(succeeds(none));
  EXPECT_FALSE(none->has_value());
  ASSERT_TRUE(succeeds(add(source, vindex_.path())));
  expect_verified(vindex_.path());
  const auto fresh = test::tiny_vindex{};
  ASSERT_TRUE(succeeds(add(source, fresh.path())));
  EXPECT_EQ(test::read_file(vindex_ / vindex::drafter_weights_file),
            test::read_file(fresh / vindex::drafter_weights_file));
}

TEST_F(AddDrafter, ADrafterOfAnotherModelChangesNothing) {
  auto shape = test::tiny_options{};
  shape.vocab = 64;
  const auto before = test::read_tree(vindex_.path());
  const auto source = gguf_of(tiny_drafter{test::config_of(shape)});
  EXPECT_TRUE(fails(add(source, vindex_.path()), errc::mismatch,
                    {"d.gguf", "another model", "vocabulary", "64", "128"}));
  EXPECT_EQ(test::read_tree(vindex_.path()), before);
}

TEST_F(AddDrafter, TensorsThatAreMissingMisshapenOrWithoutAPlaceAreNamed) {
  const auto d = made();
  const auto open = [&](const std::function<void(test::gguf_writer&)>& edit) {
    return open_drafter(gguf_of(d, edit));
  };
  EXPECT_TRUE(fails(open([](auto& w) { w.erase_tensor("blk.1.attn_q.weight"); }), errc::corrupt,
                    {"d.gguf", "layers.1.self_attn.q_proj.weight", "missing"}));
  EXPECT_TRUE(fails(open([](auto& w) {
                      w.erase_tensor("output_norm.weight");
                      w.tensor("output_norm.weight", {3}, 0, std::string(12, 'x'));
                    }),
                    errc::mismatch, {"output_norm.weight", "[3]", "[64]"}));
  for (const auto* name :
       {"nextn.centroids.weight", "blk.0.attn_k.weight", "blk.3.attn_q.weight", "x"})
    EXPECT_TRUE(fails(open([&](auto& w) { w.tensor(name, {2}, 0, "12345678"); }), errc::unsupported,
                      {"d.gguf", name[0] == 'n' ? "centroids" : name, "3 layers"}));
  EXPECT_TRUE(fails(open([](auto& w) { w.erase_tensor("token_embd.weight"); }), errc::corrupt,
                    {"embeddings"}));
  EXPECT_TRUE(fails(open([](auto& w) { w.erase("gemma4-assistant.embedding_length_out"); }),
                    errc::corrupt, {"embedding_length_out"}));
  EXPECT_TRUE(succeeds(open([](auto& w) { w.erase_tensor("rope_freqs.weight"); })));
}

TEST_F(AddDrafter, ConfigurationsThatAreNotComputedAreNamed) {
  const auto d = made();
  const auto bad = [&](const std::function<void(json&)>& edit,
                       std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(fails(open_drafter(hf_of(d, edit)), errc::unsupported, parts));
  };
  bad([](json& j) { j["use_ordered_embeddings"] = true; },
      {"config.json", "use_ordered_embeddings"});
  bad([](json& j) { j["tie_word_embeddings"] = false; }, {"tie_word_embeddings"});
  bad([](json& j) { j["text_config"]["enable_moe_block"] = true; }, {"enable_moe_block"});
  bad([](json& j) { j["text_config"]["hidden_activation"] = "silu"; }, {"silu"});
  bad([](json& j) { j["quantization_config"] = json::object(); }, {"quantization_config"});
  EXPECT_TRUE(fails(open_drafter(hf_of(d, [](json& j) { j.erase("backbone_hidden_size"); })),
                    errc::corrupt, {"backbone_hidden_size"}));
  EXPECT_FALSE(is_drafter(hf_of(d, [](json& j) { j["model_type"] = "gemma4"; })));
  EXPECT_FALSE(is_drafter(dir_ / "nothing"));
}

TEST_F(AddDrafter, AModelIsNoDrafterAndADrafterNoModel) {
  const auto source = gguf_of(made());
  EXPECT_TRUE(fails(open_gguf(source), errc::unsupported,
                    {"d.gguf", "gemma4-assistant", "drafter", "larql extract"}));
  test::gguf_of(test::tiny_model{{}}.checkpoint()).write(dir_ / "m.gguf");
  EXPECT_FALSE(is_drafter(dir_ / "m.gguf"));
  EXPECT_TRUE(fails(open_drafter(dir_ / "m.gguf"), errc::unsupported, {"m.gguf", "gemma4"}));
}

TEST_F(AddDrafter, TheLaptopsSliceHasItAndThoseOfExpertsDoNot) {
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  const auto cut = [&](std::string_view preset, const fs::path& from, const char* to) {
    const auto* p = *vindex::find_preset(preset);
    const auto plan = vindex::plan_slice(from, {std::string{p->name}, p->parts, {}, {}});
    EXPECT_TRUE(succeeds(plan));
    EXPECT_TRUE(succeeds(vindex::slice(*plan, dir_ / to, pool_, {})));
    expect_verified(dir_ / to);
    const auto has = vindex::read_drafter(dir_ / to, vindex_.config());
    EXPECT_TRUE(succeeds(has));
    return has && *has;
  };
  EXPECT_TRUE(cut("laptop", vindex_.path(), "laptop"));
  EXPECT_TRUE(cut("all", vindex_.path(), "all"));
  EXPECT_FALSE(cut("experts", vindex_.path(), "experts"));
  // Programs that do not know the part read both descriptions: its name is in neither list.
  for (const auto& [dir, here] : {std::pair{"laptop", true}, std::pair{"experts", false}}) {
    const auto text = test::read_file(dir_ / dir / vindex::slice_file);
    const auto j = test::parse_json_text(text);
    EXPECT_EQ(j["parts"].get<std::string>().find("drafter"), std::string::npos);
    EXPECT_EQ(j["left_out"].get<std::string>().find("drafter"), std::string::npos);
    EXPECT_EQ(j["drafter"], here);
    const auto p = vindex::parse_presence(text, "s", vindex_.config());
    ASSERT_TRUE(succeeds(p));
    EXPECT_EQ(p->parts.contains(vindex::part::drafter), here);
    EXPECT_EQ(p->left_out.contains(vindex::part::drafter), !here);
  }
}

TEST_F(AddDrafter, ASliceWithoutOneIsCutAgainAndCanGetOne) {
  const auto* laptop = *vindex::find_preset("laptop");
  const auto request = vindex::slice_request{"moe-client", laptop->parts, {}, {}};
  const auto cut = [&](const fs::path& from, const char* to) {
    const auto plan = vindex::plan_slice(from, request);
    EXPECT_TRUE(succeeds(plan));
    EXPECT_TRUE(succeeds(vindex::slice(*plan, dir_ / to, pool_, {})));
  };
  cut(vindex_.path(), "first"); // of a source without a drafter
  EXPECT_EQ(test::read_file(dir_ / "first" / vindex::slice_file).find("drafter"),
            std::string::npos);
  ASSERT_TRUE(succeeds(add(gguf_of(made()), dir_ / "first")));
  expect_verified(dir_ / "first");
  EXPECT_TRUE(vindex::read_presence(dir_ / "first", vindex_.config())
                  ->parts.contains(vindex::part::drafter));
  // Of a slice that has left it out a preset takes the rest; a list of parts that names it fails.
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  auto some = request;
  some.preset.clear();
  some.parts.erase(vindex::part::drafter);
  const auto plan = vindex::plan_slice(vindex_.path(), some);
  ASSERT_TRUE(succeeds(plan));
  ASSERT_TRUE(succeeds(vindex::slice(*plan, dir_ / "without", pool_, {})));
  cut(dir_ / "without", "again");
  const auto here = vindex::read_presence(dir_ / "again", vindex_.config());
  ASSERT_TRUE(succeeds(here));
  EXPECT_TRUE(here->left_out.contains(vindex::part::drafter));
  some.parts.insert(vindex::part::drafter);
  EXPECT_TRUE(fails(vindex::plan_slice(dir_ / "without", some), errc::mismatch, {"drafter"}));
}

TEST_F(AddDrafter, VerifyFindsWhatIsDamaged) {
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  test::patch_json(vindex_ / vindex::drafter_file, [](json& j) { j["num_q_heads"] = 8; });
  auto report = verified(vindex_.path());
  ASSERT_TRUE(succeeds(report));
  ASSERT_FALSE(report->wrong.empty());
  EXPECT_NE(report->wrong[0].find("drafter"), std::string::npos) << report->wrong[0];
  ASSERT_TRUE(succeeds(add(gguf_of(made()), vindex_.path())));
  test::overwrite(vindex_ / vindex::drafter_weights_file, 5000, "x");
  report = verified(vindex_.path());
  ASSERT_TRUE(succeeds(report));
  ASSERT_EQ(report->wrong.size(), 1u);
  EXPECT_NE(report->wrong[0].find("drafter_weights.bin"), std::string::npos) << report->wrong[0];
}

} // namespace
} // namespace larql::import
