// Mirrors runtime/import/extract.hpp and extract_plan.hpp: what a vindex holds when it is done, and
// when none is written. Interrupted runs are in extract_resume_test.cpp.

#include "runtime/import/extract.hpp"

#include "runtime/experts/expert_bank.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/quant/blocks.hpp"
#include "runtime/quant/quantize.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/vindex.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::fails;
using test::gguf_of;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;
using vindex::quant_kind;

class Extract : public testing::Test {
protected:
  result<void> run(const checkpoint& c, const fs::path& to, const extract_options& o = {}) {
    return extract(c, to, pool_, o);
  }
  result<void> run(const tiny_model& m, const extract_options& o = {}) {
    return run(m.checkpoint(), out_, o);
  }
  static extract_options as(quant_kind kind) {
    auto o = extract_options{};
    o.quant = kind;
    return o;
  }

  compute_pool pool_{2};
  test::temporary_directory dir_;
  fs::path out_ = dir_ / "x.vindex";
};

// ---- lossless -----------------------------------------------------------------------------------

std::vector<float> values(const quant::matrix_view& w) {
  auto out = std::vector<float>(std::size_t{w.rows} * w.cols);
  for (auto r = 0u; r < w.rows; ++r)
    quant::dequantize_row(w.format, w.row(r), w.cols, out.data() + std::size_t{r} * w.cols);
  return out;
}

std::vector<float> values(const source_tensor& t) {
  const auto rows = static_cast<std::uint32_t>(t.rows()),
             cols = static_cast<std::uint32_t>(t.cols());
  return values({t.format, rows, cols, t.data.data()});
}

TEST_F(Extract, LosslessKeepsEveryValueOfAGgufExactly) {
  gguf_of(tiny_model{test::mixed_options()}.checkpoint()).write(dir_ / "m.gguf");
  const auto source = open_gguf(dir_ / "m.gguf");
  ASSERT_TRUE(succeeds(source));
  ASSERT_TRUE(succeeds(run(*source, out_)));
  const auto config = vindex::read_index(out_);
  ASSERT_TRUE(succeeds(config));
  EXPECT_EQ(*config, source->config);
  const auto w = vindex::dense_weights::open(out_, *config);
  ASSERT_TRUE(succeeds(w));
  const auto& t = source->tensors;
  EXPECT_EQ(values(w->embeddings), values(t.at("embed_tokens.weight")));
  EXPECT_EQ(values(w->head), values(t.at("lm_head.weight")));
  const auto& layer = w->layers[0];
  EXPECT_EQ(values(layer.q), values(t.at("layers.0.self_attn.q_proj.weight")));
  EXPECT_EQ(values(layer.down), values(t.at("layers.0.mlp.down_proj.weight")));
  const auto bank = experts::expert_bank::open(out_, *config, {{0, 2}, {0, 7}});
  ASSERT_TRUE(succeeds(bank));
  const auto gate_up = values(t.at("layers.1.experts.gate_up_proj")); // ggml's Q6_K
  EXPECT_EQ(t.at("layers.1.experts.gate_up_proj").format, quant::encoding::q6_k_ggml);
  const auto each = gate_up.size() / 8;
  const auto expert = bank->get(1, 5);
  const auto gate = values(expert.gate), up = values(expert.up);
  EXPECT_TRUE(std::equal(gate.begin(), gate.end(),
                         gate_up.begin() + static_cast<std::ptrdiff_t>(5 * each)));
  EXPECT_TRUE(std::equal(up.begin(), up.end(),
                         gate_up.begin() + static_cast<std::ptrdiff_t>(5 * each + each / 2)));
}

TEST_F(Extract, TheSameSourceGivesTheSameBytesForAnyNumberOfThreads) {
  const auto m = tiny_model{test::mixed_options()};
  ASSERT_TRUE(succeeds(run(m)));
  const auto want = test::read_tree(out_);
  auto pool = compute_pool{1};
  ASSERT_TRUE(succeeds(extract(m.checkpoint(), dir_ / "y.vindex", pool, {})));
  EXPECT_EQ(test::read_tree(dir_ / "y.vindex"), want);
}

TEST_F(Extract, LosslessKeepsAGateAndUpOfDifferentEncodings) {
  auto o = tiny_options{};
  o.fused_gate_up = false;
  auto m = tiny_model{o};
  auto random = test::random_source{1};
  m.set("layers.1.experts.up_proj", encoding::q8_0, {8, 96, 256},
        test::random_matrix(random, encoding::q8_0, 8 * 96, 256));
  ASSERT_TRUE(succeeds(run(m)));
  const auto c = vindex::read_index(out_);
  const auto formats_of = [&](std::uint32_t layer) {
    return vindex::read_layer_header(*file::open(out_ / vindex::layer_file_name(layer)), *c)
        ->formats;
  };
  EXPECT_EQ(formats_of(0), (vindex::expert_formats{encoding::f32, encoding::f32, encoding::f32}));
  EXPECT_EQ(formats_of(1), (vindex::expert_formats{encoding::f32, encoding::q8_0, encoding::f32}));
  fs::remove_all(out_);
  ASSERT_TRUE(succeeds(run(m, as(quant_kind::q4k))));
  EXPECT_EQ(formats_of(1),
            (vindex::expert_formats{encoding::q4_k, encoding::q4_k, encoding::q4_k}));
}

// ---- the reference's encoding -------------------------------------------------------------------

TEST_F(Extract, Q4KWritesTheEncodingsAndFilesOfTheReference) {
  const auto m = tiny_model{tiny_options{}};
  ASSERT_TRUE(succeeds(run(m, as(quant_kind::q4k))));
  const auto c = vindex::read_index(out_);
  ASSERT_TRUE(succeeds(c));
  EXPECT_EQ(c->quant, quant_kind::q4k);
  const auto w = vindex::dense_weights::open(out_, *c);
  ASSERT_TRUE(succeeds(w));
  for (const auto& t : w->layers) {
    for (const auto* view : {&t.q, &t.k, &t.o, &t.gate, &t.up})
      EXPECT_EQ(view->format, encoding::q4_k);
    for (const auto* view : {&t.v, &t.down})
      EXPECT_EQ(view->format, encoding::q6_k);
    EXPECT_EQ(t.down.cols, 256u); // 160, padded
  }
  for (auto l = 0u; l < 3; ++l) {
    const auto h = vindex::read_layer_header(*file::open(out_ / vindex::layer_file_name(l)), *c);
    ASSERT_TRUE(succeeds(h));
    EXPECT_EQ(h->formats, (vindex::expert_formats{encoding::q4_k, encoding::q4_k, encoding::q4_k}));
    EXPECT_EQ(h->down_cols, 256u); // 96, padded
    EXPECT_EQ(test::read_file(out_ / vindex::layer_file_name(l)).substr(0, 8),
              std::string("LYRW\1\0\0\0", 8));
  }
  EXPECT_EQ(fs::file_size(out_ / "embeddings.bin"), 128u * 256 * 2);
  EXPECT_EQ(fs::file_size(out_ / "lm_head_q4.bin"), 128u * 144);
  EXPECT_FALSE(fs::exists(out_ / "output_head_manifest.json"));
  EXPECT_FALSE(fs::exists(out_ / "token_embeddings_manifest.json"));
}

TEST_F(Extract, Q4KStaysCloseToItsSource) {
  const auto m = tiny_model{tiny_options{}};
  ASSERT_TRUE(succeeds(run(m, as(quant_kind::q4k))));
  const auto c = vindex::read_index(out_);
  const auto w = vindex::dense_weights::open(out_, *c);
  ASSERT_TRUE(succeeds(w));
  const auto got = values(w->layers[1].up);
  const auto want = values(m.checkpoint().tensors.at("layers.1.mlp.up_proj.weight"));
  ASSERT_EQ(got.size(), want.size());
  auto error = 0.0, power = 0.0;
  for (auto i = std::size_t{0}; i < got.size(); ++i) {
    error += std::pow(double{got[i]} - want[i], 2);
    power += std::pow(double{want[i]}, 2);
  }
  EXPECT_LT(std::sqrt(error / power), 0.08);
  EXPECT_TRUE(succeeds(test::running_model::open(out_)));
}

TEST_F(Extract, Q4KNeedsAHiddenSizeOfWholeBlocks) {
  auto o = tiny_options{};
  o.hidden = 128;
  const auto m = tiny_model{o};
  EXPECT_TRUE(fails(run(m, as(quant_kind::q4k)), errc::unsupported, {"128", "256", "lossless"}));
  EXPECT_FALSE(fs::exists(out_));
  EXPECT_TRUE(succeeds(run(m)));
}

TEST_F(Extract, WeightsThatAreNoNumbersAreNamedAndNothingIsFinished) {
  for (const auto* key :
       {"layers.1.mlp.up_proj.weight", "layers.2.experts.down_proj", "embed_tokens.weight"}) {
    auto m = tiny_model{tiny_options{}};
    const auto nan = std::nanf("");
    std::memcpy(m.bytes(key).data() + 4000, &nan, 4);
    EXPECT_TRUE(fails(run(m, as(quant_kind::q4k)), errc::corrupt, {key, "NaN"}));
    EXPECT_FALSE(fs::exists(out_));
    fs::remove_all(dir_ / "x.vindex.partial");
  }
}

TEST_F(Extract, WeightsTooLargeForAHalfAreNamed) {
  auto m = tiny_model{tiny_options{}};
  const auto large = 1e6f;
  std::memcpy(m.bytes("embed_tokens.weight").data(), &large, 4);
  EXPECT_TRUE(fails(run(m, as(quant_kind::q4k)), errc::corrupt,
                    {"embed_tokens.weight", "too large for F16"}));
}

// ---- what is missing or does not fit ------------------------------------------------------------

TEST_F(Extract, EveryMissingTensorIsNamedBeforeAnythingIsWritten) {
  const auto model = tiny_model{tiny_options{}};
  for (const auto& [key, t] : model.checkpoint().tensors) {
    auto c = model.checkpoint();
    c.tensors.erase(key);
    const auto optional = key.ends_with("layer_scalar") || key.ends_with("per_expert_scale");
    if (optional)
      continue;
    auto named = key;
    if (const auto at = key.find("gate_up_proj"); at != std::string::npos)
      named.replace(at, std::string::npos, "gate_proj"); // one of each would do as well
    EXPECT_TRUE(fails(run(c, out_), errc::corrupt, {c.description, named, "missing"})) << key;
    EXPECT_FALSE(fs::exists(dir_ / "x.vindex.partial")) << key;
  }
}

TEST_F(Extract, EveryShapeThatDoesNotFitIsNamedWithBoth) {
  const auto model = tiny_model{tiny_options{}};
  for (const auto& [key, t] : model.checkpoint().tensors) {
    auto c = model.checkpoint();
    auto& changed = c.tensors.at(key);
    changed.shape.front() += 1;
    EXPECT_TRUE(fails(run(c, out_), errc::mismatch, {key, std::to_string(changed.shape.front())}))
        << key;
  }
}

TEST_F(Extract, AModelWithoutOptionalTensorsRuns) {
  auto o = tiny_options{};
  o.per_expert_scale = o.layer_scalar = false;
  ASSERT_TRUE(succeeds(run(tiny_model{o})));
  const auto logits = test::logits_of(out_, test::random_ids(4, 128));
  auto ones = tiny_model{o};
  for (auto l = 0; l < 3; ++l) {
    ones.set(fmt::format("layers.{}.layer_scalar", l), {1}, std::vector<float>{1});
    ones.set(fmt::format("layers.{}.router.per_expert_scale", l), {8}, std::vector<float>(8, 1));
  }
  ASSERT_TRUE(succeeds(run(ones.checkpoint(), dir_ / "ones.vindex")));
  EXPECT_EQ(test::logits_of(dir_ / "ones.vindex", test::random_ids(4, 128)), logits);
}

TEST_F(Extract, GateAndUpApartGiveTheFileOfGateAndUpTogether) {
  auto o = tiny_options{};
  o.fused_gate_up = false;
  auto apart = tiny_model{o};
  auto together = apart.checkpoint();
  auto fused = tiny_model{tiny_options{}};
  for (auto l = 0; l < 3; ++l) {
    const auto key = [&](const char* name) { return fmt::format("layers.{}.experts.{}", l, name); };
    const auto gate = together.tensors.at(key("gate_proj")).data,
               up = together.tensors.at(key("up_proj")).data;
    auto both = std::vector<std::byte>{};
    const auto each = gate.size() / 8;
    for (auto e = 0u; e < 8; ++e) {
      both.insert(both.end(), gate.begin() + e * each, gate.begin() + (e + 1) * each);
      both.insert(both.end(), up.begin() + e * each, up.begin() + (e + 1) * each);
    }
    fused.set(key("gate_up_proj"), encoding::f32, {8, 192, 256}, both);
    together.tensors.erase(key("gate_proj"));
    together.tensors.erase(key("up_proj"));
    together.tensors[key("gate_up_proj")] = fused.checkpoint().tensors.at(key("gate_up_proj"));
  }
  ASSERT_TRUE(succeeds(run(apart)));
  ASSERT_TRUE(succeeds(run(together, dir_ / "y.vindex")));
  EXPECT_EQ(test::read_tree(out_ / "layers"), test::read_tree(dir_ / "y.vindex" / "layers"));
}

// ---- destinations -------------------------------------------------------------------------------

TEST_F(Extract, AnExistingDestinationIsRefusedAndLeftAlone) {
  test::write_file(out_ / "mine.txt", "precious");
  EXPECT_TRUE(fails(run(tiny_model{tiny_options{}}), errc::usage, {out_.string(), "--force"}));
  auto o = extract_options{};
  o.force = true;
  EXPECT_TRUE(fails(run(tiny_model{tiny_options{}}, o), errc::usage, {"mine.txt"}));
  EXPECT_EQ(test::read_file(out_ / "mine.txt"), "precious");
  EXPECT_FALSE(fs::exists(dir_ / "x.vindex.partial"));
}

TEST_F(Extract, WhatHasNamesOfAVindexAndNoIndexIsNotReplaced) {
  for (const auto* name : {"tokenizer.json", "README.md", "layers/layer_00.weights"})
    test::write_file(out_ / name, "precious");
  auto o = extract_options{};
  o.force = true;
  EXPECT_TRUE(fails(run(tiny_model{tiny_options{}}, o), errc::usage, {"is no vindex"}));
  EXPECT_EQ(test::read_tree(out_).size(), 3u);
}

TEST_F(Extract, ForceReplacesItOnlyWhenTheNewOneIsComplete) {
  ASSERT_TRUE(succeeds(run(tiny_model{tiny_options{}})));
  test::write_file(out_ / "README.md", "old");
  auto o = extract_options{};
  o.force = true;
  o.on_progress = [](const extract_progress&) { return false; };
  EXPECT_TRUE(fails(run(tiny_model{tiny_options{}}, o), errc::cancelled, {"goes on"}));
  EXPECT_EQ(test::read_file(out_ / "README.md"), "old");
  o.on_progress = {};
  ASSERT_TRUE(succeeds(run(tiny_model{tiny_options{}}, o)));
  EXPECT_FALSE(fs::exists(out_ / "README.md"));
  EXPECT_TRUE(succeeds(vindex::read_index(out_)));
}

TEST_F(Extract, ATrailingSlashIsTheSameDestination) {
  // Regression: the unfinished files lay inside the destination and were removed with it.
  const auto slash = out_ / "";
  const auto m = tiny_model{tiny_options{}};
  ASSERT_TRUE(succeeds(run(m.checkpoint(), slash)));
  EXPECT_TRUE(succeeds(vindex::read_index(out_)));
  auto o = extract_options{};
  o.force = true;
  ASSERT_TRUE(succeeds(run(m.checkpoint(), slash, o)));
  EXPECT_TRUE(succeeds(vindex::read_index(out_)));
  EXPECT_TRUE(fails(run(m.checkpoint(), slash), errc::usage, {"exists already"}));
}

TEST_F(Extract, NothingButTheVindexIsLeft) {
  ASSERT_TRUE(succeeds(run(tiny_model{tiny_options{}})));
  auto names = std::vector<std::string>{};
  for (const auto& entry : fs::directory_iterator{dir_.path()})
    names.push_back(entry.path().filename());
  EXPECT_EQ(names, std::vector<std::string>{"x.vindex"});
  for (const auto& [name, content] : test::read_tree(out_)) {
    EXPECT_FALSE(name.ends_with(".tmp")) << name;
    EXPECT_NE(name, ".extract_state.json");
  }
}

TEST_F(Extract, PlacesThatCannotBeWrittenAreNamed) {
  const auto m = tiny_model{tiny_options{}};
  test::write_file(dir_ / "file", "x");
  EXPECT_TRUE(fails(run(m.checkpoint(), dir_ / "file/x.vindex"), errc::io, {"file/x.vindex"}));
  const auto long_name = std::string(300, 'n');
  EXPECT_TRUE(fails(run(m.checkpoint(), dir_ / long_name), errc::io, {long_name}));
}

TEST_F(Extract, TextFilesTravelAlong) {
  auto m = tiny_model{tiny_options{}};
  m.checkpoint().files = {{"tokenizer.json", "{}"}, {"chat_template.jinja", "{{ x }}"}};
  ASSERT_TRUE(succeeds(run(m)));
  EXPECT_EQ(test::read_file(out_ / "tokenizer.json"), "{}");
  EXPECT_EQ(test::read_file(out_ / "chat_template.jinja"), "{{ x }}");
}

TEST_F(Extract, TheIndexNamesProgramAndSourceButNotTheSourcesDirectories) {
  for (const auto* path : {"/home/ann/models/m.gguf", "m.gguf", "../models/m.gguf", "m.gguf/"}) {
    auto m = tiny_model{tiny_options{}};
    m.checkpoint().description = path;
    auto o = extract_options{};
    o.force = true;
    o.version = "1.2.3";
    ASSERT_TRUE(succeeds(run(m, o)));
    const auto source =
        test::parse_json_text(test::read_file(out_ / vindex::index_file)).at("source");
    EXPECT_EQ(source.at("file"), "m.gguf") << path;
    EXPECT_EQ(source.at("larql_version"), "1.2.3");
    // The reference's reader wants them.
    EXPECT_TRUE(source.at("extracted_at").is_string());
  }
}

TEST_F(Extract, NamesThatAreNotUtf8DoNotStopIt) {
  auto m = tiny_model{tiny_options{}};
  m.checkpoint().config.model = "gr\xfc\xdf";
  m.checkpoint().description = "/tmp/\xff.gguf";
  m.checkpoint().fingerprint = "\xff.gguf:1:2;";
  EXPECT_TRUE(succeeds(run(m)));
  EXPECT_TRUE(succeeds(vindex::read_index(out_)));
}

} // namespace
} // namespace larql::import
