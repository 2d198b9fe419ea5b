// Mirrors runtime/vindex/vindex.hpp: the forms in which embeddings and output head are stored.

#include "runtime/vindex/vindex.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_options;
using test::tiny_vindex;

namespace fs = std::filesystem;

tiny_options with_embeddings(encoding e) {
  auto o = tiny_options{};
  o.embeddings = e;
  return o;
}

TEST(Embeddings, PlainFloatsLieInTheReferencesFileAndItsSizeTellsWhich) {
  for (const auto e : {encoding::f16, encoding::f32}) {
    const auto v = tiny_vindex{with_embeddings(e)};
    EXPECT_EQ(fs::file_size(v / embeddings_file), 128u * 256 * (e == encoding::f16 ? 2 : 4));
    EXPECT_FALSE(fs::exists(v / embeddings_any_manifest_file));
    const auto w = dense_weights::open(v.path(), v.config());
    ASSERT_TRUE(succeeds(w));
    EXPECT_EQ(w->embeddings.format, e);
    EXPECT_EQ(w->head.data, w->embeddings.data); // tied
  }
}

TEST(Embeddings, OtherEncodingsLieInADescribedFile) {
  for (const auto e : {encoding::bf16, encoding::q8_0, encoding::q6_k}) {
    const auto v = tiny_vindex{with_embeddings(e)};
    EXPECT_FALSE(fs::exists(v / embeddings_file));
    const auto w = dense_weights::open(v.path(), v.config());
    ASSERT_TRUE(succeeds(w));
    EXPECT_EQ(w->embeddings.format, e);
    EXPECT_EQ(w->head.data, w->embeddings.data);
  }
}

TEST(Embeddings, TheDescribedFileWinsOverTheReferences) {
  const auto v = tiny_vindex{with_embeddings(encoding::q8_0)};
  test::write_file(v / embeddings_file, "left over from somewhere");
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_EQ(w->embeddings.format, encoding::q8_0);
}

TEST(Embeddings, ASizeThatIsNeitherF16NorF32IsNamedWithBoth) {
  const auto v = tiny_vindex{};
  test::set_file_size(v / embeddings_file, 128 * 256 * 3);
  EXPECT_TRUE(fails(dense_weights::open(v.path(), v.config()), errc::corrupt,
                    {(v / embeddings_file).string(), "98304", "65536", "131072"}));
}

TEST(Embeddings, TheDescriptionIsChecked) {
  const auto open = [](const std::function<void(json&)>& edit) {
    const auto v = tiny_vindex{with_embeddings(encoding::q8_0)};
    test::patch_json(v / embeddings_any_manifest_file, edit);
    return dense_weights::open(v.path(), v.config());
  };
  EXPECT_TRUE(fails(open([](json& m) { m.push_back(m[0]); }), errc::corrupt, {"2 tensors"}));
  EXPECT_TRUE(fails(open([](json& m) { m.clear(); }), errc::corrupt, {"0 tensors"}));
  EXPECT_TRUE(fails(open([](json& m) { m[0]["key"] = "wte"; }), errc::corrupt,
                    {"wte", "embed_tokens.weight"}));
  EXPECT_TRUE(fails(open([](json& m) {
                      m[0]["shape"] = {64, 512};
                    }),
                    errc::mismatch, {"[64, 512]", "[128, 256]"}));
}

TEST(Embeddings, ANameThatCannotBeLookedUpIsAnErrorAndNotAbsence) {
  const auto v = tiny_vindex{};
  fs::create_symlink(embeddings_any_manifest_file, v / embeddings_any_manifest_file); // a loop
  EXPECT_TRUE(fails(dense_weights::open(v.path(), v.config()), errc::io,
                    {(v / embeddings_any_manifest_file).string()}));
  const auto w = tiny_vindex{};
  fs::create_symlink(head_q4_file, w / head_q4_file);
  EXPECT_TRUE(
      fails(dense_weights::open(w.path(), w.config()), errc::io, {(w / head_q4_file).string()}));
}

// ---- head ---------------------------------------------------------------------------------------

TEST(Head, AnUntiedHeadKeepsItsEncoding) {
  for (const auto e : {encoding::f32, encoding::bf16, encoding::q5_k}) {
    auto o = tiny_options{};
    o.tied = false;
    o.head = e;
    const auto v = tiny_vindex{o};
    const auto w = dense_weights::open(v.path(), v.config());
    ASSERT_TRUE(succeeds(w));
    EXPECT_EQ(w->head.format, e);
    EXPECT_NE(w->head.data, w->embeddings.data);
  }
}

TEST(Head, TheReferencesEncodingAlwaysHasOneInQ4K) {
  for (const auto tied : {true, false}) {
    auto o = tiny_options{};
    o.tied = tied;
    const auto v = tiny_vindex{o, quant_kind::q4k};
    const auto w = dense_weights::open(v.path(), v.config());
    ASSERT_TRUE(succeeds(w));
    EXPECT_EQ(w->embeddings.format, encoding::f16);
    EXPECT_EQ(w->head.format, encoding::q4_k);
    EXPECT_EQ(fs::file_size(v / head_q4_file), 128u * 144);
  }
}

TEST(Head, WithoutItsFileTheEmbeddingsAreTheHead) {
  const auto v = tiny_vindex{{}, quant_kind::q4k};
  fs::remove(v / head_q4_file);
  const auto w = dense_weights::open(v.path(), v.config());
  ASSERT_TRUE(succeeds(w));
  EXPECT_EQ(w->head.data, w->embeddings.data);
}

TEST(Head, ASizeThatIsNotQ4KsIsNamed) {
  const auto v = tiny_vindex{{}, quant_kind::q4k};
  test::set_file_size(v / head_q4_file, 128 * 144 - 1);
  EXPECT_TRUE(fails(dense_weights::open(v.path(), v.config()), errc::corrupt,
                    {(v / head_q4_file).string(), "18431", "18432"}));
}

TEST(Head, AQ4KHeadNeedsAHiddenSizeOfWholeBlocks) {
  auto o = tiny_options{};
  o.hidden = 96;
  const auto v = tiny_vindex{o};
  test::write_file(v / head_q4_file, "");
  EXPECT_TRUE(fails(dense_weights::open(v.path(), v.config()), errc::corrupt,
                    {(v / head_q4_file).string()}));
}

TEST(Head, TiedAndUntiedWithEqualWeightsGiveEqualLogits) {
  auto model = test::tiny_model{test::tiny_options{}};
  const auto tied = tiny_vindex{model};
  const auto& e = model.checkpoint().tensors.at("embed_tokens.weight");
  const auto copy = std::vector<std::byte>(e.data.begin(), e.data.end());
  model.set("lm_head.weight", e.format, e.shape, copy);
  const auto untied = tiny_vindex{model};
  const auto ids = test::random_ids(5, 128);
  EXPECT_EQ(test::logits_of(tied.path(), ids), test::logits_of(untied.path(), ids));
}

} // namespace
} // namespace larql::vindex
