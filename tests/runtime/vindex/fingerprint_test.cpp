// Mirrors runtime/vindex/fingerprint.hpp: what makes two models the same for laptop and node.

#include "runtime/vindex/fingerprint.hpp"

#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using test::succeeds;
using test::tiny_vindex;

sha256_digest print_of(const std::filesystem::path& dir, const model_config& c) {
  const auto p = fingerprint(dir, c);
  EXPECT_TRUE(succeeds(p));
  return p ? *p : sha256_digest{};
}
sha256_digest print_of(const tiny_vindex& v) {
  return print_of(v.path(), v.config());
}

TEST(Fingerprint, IsTheHashThatTheDocumentationDefines) {
  const auto v = tiny_vindex{};
  auto hash = sha256{};
  const auto text = std::string{"larql-1 gemma4 3 256 160 128 4 2 1 32 64 8 3 96"};
  hash.update(std::as_bytes(std::span{text}));
  const auto norms = test::read_file(v / norms_file);
  hash.update(std::as_bytes(std::span{norms}));
  EXPECT_EQ(to_hex(print_of(v)), to_hex(hash.finish()));
}

TEST(Fingerprint, SlicesOfAModelHaveTheSameOne) {
  const auto whole = tiny_vindex{};
  const auto want = print_of(whole);
  for (const auto name : {attention_file, dense_file, embeddings_file, attention_manifest_file})
    std::filesystem::remove(whole / name);
  std::filesystem::remove_all(whole / layers_dir);
  EXPECT_EQ(print_of(whole), want);
}

TEST(Fingerprint, TheNameDoesNotCount) {
  const auto v = tiny_vindex{};
  auto c = v.config();
  c.model = "another name";
  EXPECT_EQ(print_of(v.path(), c), print_of(v));
}

TEST(Fingerprint, OtherWeightsAndOtherShapesHaveOthers) {
  const auto v = tiny_vindex{};
  EXPECT_NE(print_of(v), print_of(tiny_vindex{{.seed = 2}}));
  const auto differs = [&](auto edit) {
    auto c = v.config();
    edit(c);
    return print_of(v.path(), c) != print_of(v);
  };
  EXPECT_TRUE(differs([](model_config& c) { ++c.layers; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.hidden; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.dense_width; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.vocab; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.q_heads; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.kv_heads; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.global_kv_heads; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.head_dim; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.global_head_dim; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.experts; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.top_k; }));
  EXPECT_TRUE(differs([](model_config& c) { ++c.expert_width; }));
  EXPECT_TRUE(differs([](model_config& c) { c.activation = quant::activation_function::silu; }));
}

TEST(Fingerprint, AFileThatIsFarTooLargeIsNotHashed) {
  const auto v = tiny_vindex{};
  test::set_file_size(v / norms_file, std::uint64_t{1} << 40); // a hole
  EXPECT_TRUE(test::fails(fingerprint(v.path(), v.config()), errc::corrupt,
                          {(v / norms_file).string(), "1099511627776 bytes"}));
}

TEST(Fingerprint, WithoutNormsThereIsNone) {
  const auto v = tiny_vindex{};
  std::filesystem::remove(v / norms_file);
  EXPECT_TRUE(
      test::fails(fingerprint(v.path(), v.config()), errc::not_found, {(v / norms_file).string()}));
}

// ---- the weights digest -------------------------------------------------------------------------

std::optional<sha256_digest> digest_of(const tiny_vindex& v) {
  const auto names = name_weights(v.path(), v.config());
  EXPECT_TRUE(succeeds(names));
  return names ? names->digest : std::nullopt;
}

TEST(WeightsNames, ASliceWithoutLayerFilesKnowsTheDigestOfTheWhole) {
  const auto v = tiny_vindex{};
  const auto whole = digest_of(v);
  ASSERT_TRUE(whole);
  EXPECT_EQ(to_hex(*whole), weights_digest(**read_checksums(v.path())));
  std::filesystem::remove_all(v / layers_dir);
  EXPECT_EQ(digest_of(v), whole);
}

TEST(WeightsNames, OtherExpertsBehindTheSameRoutersHaveAnotherDigestOnly) {
  auto m = test::tiny_model{{}};
  const auto one = tiny_vindex{m};
  m.bytes("layers.1.experts.down_proj")[5] ^= std::byte{1};
  const auto other = tiny_vindex{m};
  EXPECT_EQ(print_of(one), print_of(other));
  EXPECT_NE(digest_of(one), digest_of(other));
}

TEST(WeightsNames, WithoutChecksumsOrWithAnExpertLeftOutTheDigestIsUnknown) {
  const auto v = tiny_vindex{};
  auto sums = **read_checksums(v.path());
  sums.layers.at(2).experts[7].reset();
  ASSERT_TRUE(succeeds(save_checksums(v.path(), sums)));
  EXPECT_FALSE(digest_of(v));
  std::filesystem::remove(v / checksums_file);
  EXPECT_FALSE(digest_of(v));
}

TEST(WeightsNames, DamagedChecksumsAreAnErrorAndNotUnknown) {
  const auto v = tiny_vindex{};
  test::write_file(v / checksums_file, "{}");
  EXPECT_TRUE(test::fails(name_weights(v.path(), v.config()), errc::corrupt,
                          {(v / checksums_file).string(), "version"}));
}

} // namespace
} // namespace larql::vindex
