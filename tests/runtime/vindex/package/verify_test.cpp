// Mirrors runtime/vindex/package/verify.hpp.

#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/slice.hpp"
#include "runtime/vindex/package/verify.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;

class Verify : public testing::Test {
protected:
  verify_report check(const fs::path& dir, bool deep) {
    auto o = verify_options{};
    o.deep = deep;
    auto r = verify(dir, pool_, o);
    EXPECT_TRUE(succeeds(r));
    return r ? *r : verify_report{};
  }

  // One complaint that names all of these.
  static void expect_only(const verify_report& r, std::initializer_list<std::string_view> parts) {
    ASSERT_EQ(r.wrong.size(), 1u) << (r.wrong.empty() ? "" : r.wrong[1]);
    for (const auto p : parts)
      EXPECT_NE(r.wrong[0].find(p), std::string::npos) << p << " is not in " << r.wrong[0];
  }

  [[nodiscard]] layer_header header(std::uint32_t layer) const {
    return *read_layer_header(*file::open(v_ / layer_file_name(layer)), v_.config());
  }

  test::tiny_vindex v_{test::tiny_options{}, quant_kind::q4k};
  test::temporary_directory dir_;
  compute_pool pool_{3};
};

TEST_F(Verify, AGoodVindexIsGoodInEveryByte) {
  EXPECT_TRUE(check(v_.path(), false).wrong.empty());
  const auto deep = check(v_.path(), true);
  EXPECT_TRUE(deep.wrong.empty()) << deep.wrong[0];
  EXPECT_TRUE(deep.unchecked.empty()) << deep.unchecked[0];
  auto total = std::uint64_t{0};
  for (const auto& [name, content] : test::read_tree(v_.path()))
    total += name == checksums_file ? 0 : content.size();
  EXPECT_EQ(deep.hashed_bytes, total);
  EXPECT_EQ(deep.digests, deep.files - 1 - 3 + 3 * (1 + 8)); // layer files by header and expert
}

TEST_F(Verify, ATableOfExpertsInAnotherOrderIsFoundWithoutReadingEverything) {
  test::rotate_experts(v_ / layer_file_name(1), header(1));
  expect_only(check(v_.path(), false), {layer_file_name(1), "table of experts", "checksums.json"});
  expect_only(check(v_.path(), true), {layer_file_name(1), "table of experts"});
}

TEST_F(Verify, AFlippedBitOfAnExpertIsFoundAndTheExpertNamed) {
  test::overwrite(v_ / layer_file_name(2), header(2).entries[5].down_offset + 17, "\x55");
  EXPECT_TRUE(check(v_.path(), false).wrong.empty());
  expect_only(check(v_.path(), true), {layer_file_name(2), "expert 5", "SHA-256 is ", "expected "});
}

TEST_F(Verify, ABitOfAnyOtherFileIsFound) {
  test::overwrite(v_ / "embeddings.bin", 100, "\x55");
  expect_only(check(v_.path(), true), {"embeddings.bin: SHA-256 is ", "expected "});
}

TEST_F(Verify, EverythingThatIsWrongIsListed) {
  test::set_file_size(v_ / "norms.bin", 100);
  fs::remove(v_ / "interleaved_q4k.bin");
  test::set_file_size(v_ / layer_file_name(0), 5000);
  test::overwrite(v_ / layer_file_name(1), 0, "XXXX");
  const auto r = check(v_.path(), false);
  ASSERT_EQ(r.wrong.size(), 4u);
  EXPECT_NE(r.wrong[0].find("interleaved_q4k.bin: is missing"), std::string::npos) << r.wrong[0];
  EXPECT_NE(r.wrong[1].find("layer_00.weights: has 5000 bytes, expected"), std::string::npos);
  EXPECT_NE(r.wrong[2].find("norms.bin: has 100 bytes, expected"), std::string::npos);
  EXPECT_NE(r.wrong[3].find("layer_01.weights: magic"), std::string::npos) << r.wrong[3];
}

TEST_F(Verify, StructureIsCheckedWithoutChecksums) {
  fs::remove(v_ / checksums_file);
  const auto good = check(v_.path(), true);
  EXPECT_TRUE(good.wrong.empty());
  EXPECT_EQ(good.unchecked.size(), good.files); // and says so
  EXPECT_EQ(good.digests, 0u);
  test::set_file_size(v_ / "interleaved_q4k.bin", 1000);
  expect_only(check(v_.path(), false), {"interleaved_q4k_manifest.json"});
}

TEST_F(Verify, ChecksumsOfTheReferenceAreUsed) {
  fs::remove(v_ / checksums_file);
  const auto norms = test::read_file(v_ / "norms.bin");
  test::patch_json(v_ / index_file, [&](json& j) {
    j["checksums"] = {{"norms.bin", to_hex(hash_bytes(std::as_bytes(std::span{norms})))}};
  });
  EXPECT_EQ(check(v_.path(), true).digests, 1u);
  test::overwrite(v_ / "norms.bin", norms.size() - 1, "\x7f");
  expect_only(check(v_.path(), true), {"norms.bin: SHA-256"});
}

TEST_F(Verify, AnUnknownFileIsSaidToBeUnchecked) {
  test::write_file(v_ / "notes.txt", "x");
  const auto r = check(v_.path(), true);
  EXPECT_TRUE(r.wrong.empty());
  ASSERT_EQ(r.unchecked.size(), 1u);
  EXPECT_NE(r.unchecked[0].find("notes.txt: is not in checksums.json"), std::string::npos);
}

TEST_F(Verify, SlicesVerifyAndTheirHolesAreSkipped) {
  for (const auto* name : {"moe-client", "moe-experts", "expert-server", "attn", "router"}) {
    SCOPED_TRACE(name);
    const auto* p = *find_preset(name);
    auto request = slice_request{name, p->parts, {}, {}};
    if (p->parts.contains(part::expert_layers)) {
      request.experts = first_last{3, 4};
      request.layers = first_last{1, 2};
    }
    const auto plan = plan_slice(v_.path(), request);
    ASSERT_TRUE(succeeds(plan));
    ASSERT_TRUE(succeeds(slice(*plan, dir_ / name, pool_, {})));
    const auto r = check(dir_ / name, true);
    EXPECT_TRUE(r.wrong.empty()) << r.wrong[0];
    EXPECT_TRUE(r.unchecked.empty()) << r.unchecked[0];
  }
  const auto slice_dir = dir_ / "moe-experts";
  test::overwrite(slice_dir / layer_file_name(1), header(1).entries[0].gate_up_offset, "hole");
  EXPECT_TRUE(check(slice_dir, true).wrong.empty());
  test::overwrite(slice_dir / layer_file_name(1), header(1).entries[4].gate_up_offset, "held");
  expect_only(check(slice_dir, true), {layer_file_name(1), "expert 4"});
  fs::remove(slice_dir / layer_file_name(2));
  EXPECT_EQ(check(slice_dir, false).wrong.size(), 1u);
}

TEST_F(Verify, DamagedDescriptionsAreComplaintsNotFailures) {
  test::write_file(v_ / checksums_file, "{");
  expect_only(check(v_.path(), true), {checksums_file, "JSON"});
  test::write_file(v_ / index_file, "{}");
  expect_only(check(v_.path(), true), {index_file, "version"});
  auto o = verify_options{};
  EXPECT_TRUE(fails(verify(dir_ / "nowhere", pool_, o), errc::io, {"nowhere"}));
}

TEST_F(Verify, ItCanBeStopped) {
  auto o = verify_options{};
  o.deep = true;
  o.on_progress = [](std::uint64_t done, std::uint64_t total, std::string_view) {
    EXPECT_LE(done, total);
    return false;
  };
  EXPECT_TRUE(fails(verify(v_.path(), pool_, o), errc::cancelled, {"stopped"}));
}

} // namespace
} // namespace larql::vindex
