// Mirrors runtime/vindex/manifest.hpp: both kinds of manifests, and every check on them.

#include "runtime/vindex/manifest.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;

constexpr auto plenty = std::uint64_t{1} << 40; // bytes of a data file

// The reference's own example: Q of a sliding layer of the 26B model.
json reference_entry() {
  return {{"key", "layers.0.self_attn.q_proj.weight"},
          {"shape", {4096, 2816}},
          {"format", "Q4_K"},
          {"offset", 0},
          {"length", 6488064}};
}

result<std::vector<matrix_entry>> parse(json entry, std::uint64_t data_bytes = plenty) {
  return parse_matrix_manifest(json::array({std::move(entry)}).dump(), "attn.json", data_bytes);
}

TEST(MatrixManifest, TheReferencesEntryIsRead) {
  const auto m = parse(reference_entry(), 6488064);
  ASSERT_TRUE(succeeds(m));
  ASSERT_EQ(m->size(), 1u);
  const auto& e = m->front();
  EXPECT_EQ(e.key, "layers.0.self_attn.q_proj.weight");
  EXPECT_EQ(e.rows, 4096u);
  EXPECT_EQ(e.cols, 2816u);
  EXPECT_EQ(e.format, encoding::q4_k);
  EXPECT_EQ(e.offset, 0u);
  EXPECT_EQ(e.length, 6488064u);
}

TEST(MatrixManifest, EntriesKeepTheOrderOfTheFile) {
  auto b = reference_entry(), a = reference_entry();
  b["key"] = "b", a["key"] = "a";
  const auto m = parse_matrix_manifest(json::array({b, a, b}).dump(), "attn.json", plenty);
  ASSERT_TRUE(succeeds(m));
  ASSERT_EQ(m->size(), 3u);
  EXPECT_EQ((*m)[0].key + (*m)[1].key + (*m)[2].key, "bab");
}

TEST(MatrixManifest, WhatIsWrittenIsReadBackInEveryEncoding) {
  auto entries = std::vector<matrix_entry>{};
  auto offset = std::uint64_t{0};
  for (auto i = std::size_t{0}; i < quant::encoding_count; ++i) {
    const auto e = static_cast<encoding>(i);
    const auto length = 3 * quant::row_bytes(e, 512);
    entries.push_back({"tensor \"" + std::to_string(i) + "\"", 3, 512, e, offset, length});
    offset += length;
  }
  const auto m = parse_matrix_manifest(write_matrix_manifest(entries), "m.json", offset);
  ASSERT_TRUE(succeeds(m));
  ASSERT_EQ(m->size(), entries.size());
  for (auto i = std::size_t{0}; i < entries.size(); ++i) {
    EXPECT_EQ((*m)[i].key, entries[i].key);
    EXPECT_EQ((*m)[i].rows, entries[i].rows);
    EXPECT_EQ((*m)[i].cols, entries[i].cols);
    EXPECT_EQ((*m)[i].format, entries[i].format);
    EXPECT_EQ((*m)[i].offset, entries[i].offset);
    EXPECT_EQ((*m)[i].length, entries[i].length);
  }
}

TEST(MatrixManifest, MissingFieldsAreNamedWithTheEntry) {
  for (const auto* field : {"key", "shape", "format", "offset", "length"}) {
    auto entry = reference_entry();
    entry.erase(field);
    EXPECT_TRUE(fails(parse(entry), errc::corrupt, {"attn.json: entry 0", field, "missing"}));
  }
}

TEST(MatrixManifest, WrongTypesAreNamedWithTheEntry) {
  const std::pair<const char*, json> wrong[] = {{"key", 1},
                                                {"shape", "4096x2816"},
                                                {"shape", {4096}},
                                                {"shape", {1, 2, 3}},
                                                {"shape", {-1, 256}},
                                                {"shape", {4096, "2816"}},
                                                {"shape", {1.5, 256}},
                                                {"format", 12},
                                                {"offset", "0"},
                                                {"offset", -1},
                                                {"length", 6488064.5},
                                                {"length", nullptr}};
  for (const auto& [field, value] : wrong) {
    auto entry = reference_entry();
    entry[field] = value;
    EXPECT_TRUE(fails(parse(entry), errc::corrupt, {"attn.json: entry 0", field})) << value;
  }
}

TEST(MatrixManifest, TheSecondEntryIsCounted) {
  auto bad = reference_entry();
  bad["length"] = 7;
  const auto text = json::array({reference_entry(), bad}).dump();
  EXPECT_TRUE(
      fails(parse_matrix_manifest(text, "attn.json", plenty), errc::corrupt,
            {"attn.json: entry 1", "layers.0.self_attn.q_proj.weight", "length", "7", "6488064"}));
}

TEST(MatrixManifest, ShapesOutOfRangeAreRefused) {
  for (const auto& shape : {json{0, 256}, json{4, 0}, json{4194305, 256}, json{4, 8388864},
                            json{18446744073709551615u, 18446744073709551615u}}) {
    auto entry = reference_entry();
    entry["shape"] = shape;
    EXPECT_TRUE(fails(parse(entry), errc::corrupt, {"shape", "out of range"})) << shape;
  }
}

TEST(MatrixManifest, UnknownFormatsAreUnsupported) {
  for (const auto* format : {"IQ1_S", "q4_k", "", "Q4_KF"}) {
    auto entry = reference_entry();
    entry["format"] = format;
    EXPECT_TRUE(fails(parse(entry), errc::unsupported, {"format", format}));
  }
}

TEST(MatrixManifest, ColumnsAreWholeBlocks) {
  auto entry = reference_entry();
  entry["shape"] = {4096, 2817};
  EXPECT_TRUE(fails(parse(entry), errc::corrupt, {"2817", "whole number of Q4_K blocks of 256"}));
}

TEST(MatrixManifest, ALengthThatContradictsTheShapeIsRefused) {
  // 148-byte Q4_K blocks, which an early extractor wrote.
  auto entry = reference_entry();
  entry["length"] = 4096 * 11 * 148;
  EXPECT_TRUE(fails(parse(entry), errc::corrupt, {"length", "6668288", "expected 6488064"}));
}

TEST(MatrixManifest, RangesLieInsideTheFileEvenWhereSumsWrap) {
  EXPECT_TRUE(succeeds(parse(reference_entry(), 6488064)));
  EXPECT_TRUE(fails(parse(reference_entry(), 6488063), errc::corrupt,
                    {"offset 0", "length 6488064", "6488063 bytes"}));
  for (const auto offset : {std::uint64_t{1}, ~std::uint64_t{0}, ~std::uint64_t{0} - 6488063}) {
    auto entry = reference_entry();
    entry["offset"] = offset;
    EXPECT_TRUE(fails(parse(entry, 6488064), errc::corrupt, {std::to_string(offset), "past"}));
  }
}

TEST(MatrixManifest, OtherDocumentsAreRefused) {
  for (const auto* text : {"", "{}", "[1]", "[[]]", "[null]", "[{}", "null"})
    EXPECT_TRUE(
        fails(parse_matrix_manifest(text, "attn.json", plenty), errc::corrupt, {"attn.json"}))
        << text;
  EXPECT_TRUE(succeeds(parse_matrix_manifest("[]", "attn.json", 0)));
}

TEST(MatrixManifest, DeepNestingIsRefusedWithoutRecursing) {
  const auto text = std::string(1 << 20, '[');
  EXPECT_TRUE(
      fails(parse_matrix_manifest(text, "attn.json", plenty), errc::corrupt, {"attn.json"}));
  const auto closed = std::string(70, '[') + std::string(70, ']');
  EXPECT_TRUE(fails(parse_matrix_manifest(closed, "attn.json", plenty), errc::corrupt,
                    {"attn.json", "nested deeper than 64"}));
}

TEST(MatrixManifest, ErrorsOfAFileNameItsPath) {
  const auto dir = test::temporary_directory{};
  EXPECT_TRUE(
      fails(read_matrix_manifest(dir / "m.json", 0), errc::not_found, {(dir / "m.json").string()}));
  test::write_file(dir / "m.json", "[{}]");
  EXPECT_TRUE(
      fails(read_matrix_manifest(dir / "m.json", 0), errc::corrupt, {(dir / "m.json").string()}));
}

// ---- vectors ------------------------------------------------------------------------------------

json vector_entry_json(const std::string& key, std::uint64_t offset, std::uint64_t count) {
  return {{"key", key},       {"kind", "vector"},    {"shape", {count}},
          {"offset", offset}, {"length", count * 4}, {"file", "norms.bin"}};
}

auto parse_vectors(const std::vector<json>& entries, std::uint64_t data_bytes = plenty) {
  return parse_vector_manifest(json(entries).dump(), "weights.json", data_bytes);
}

TEST(VectorManifest, EntriesAreFoundByKey) {
  const auto m = parse_vectors({vector_entry_json("a", 0, 4), vector_entry_json("b", 16, 1)}, 20);
  ASSERT_TRUE(succeeds(m));
  ASSERT_EQ(m->size(), 2u);
  EXPECT_EQ(m->at("a").offset, 0u);
  EXPECT_EQ(m->at("a").count, 4u);
  EXPECT_EQ(m->at("b").offset, 16u);
  EXPECT_EQ(m->at("b").count, 1u);
}

TEST(VectorManifest, WhatIsWrittenIsReadBack) {
  const auto m = parse_vector_manifest(
      write_vector_manifest({{"norm.weight", {8, 2816}}, {"layers.0.layer_scalar", {0, 1}}}),
      "weights.json", 8 + 2816 * 4);
  ASSERT_TRUE(succeeds(m));
  EXPECT_EQ(m->at("norm.weight").count, 2816u);
  EXPECT_EQ(m->at("norm.weight").offset, 8u);
  EXPECT_EQ(m->at("layers.0.layer_scalar").count, 1u);
}

TEST(VectorManifest, OtherKindsAndFilesAreSkippedWhateverTheyHold) {
  auto tensor = vector_entry_json("t", 3, 1), elsewhere = vector_entry_json("e", 3, 1);
  auto nowhere = vector_entry_json("n", 3, 1);
  tensor["kind"] = "tensor_f16";
  elsewhere["file"] = "ple_weights.bin";
  nowhere.erase("file");
  const auto m = parse_vectors({tensor, elsewhere, nowhere, vector_entry_json("v", 0, 1)}, 4);
  ASSERT_TRUE(succeeds(m));
  EXPECT_EQ(m->size(), 1u);
  EXPECT_TRUE(m->contains("v"));
}

TEST(VectorManifest, AKeyMayOccurTwiceWithTheSameSizeAndTheFirstCounts) {
  const auto m = parse_vectors({vector_entry_json("a", 4, 2), vector_entry_json("a", 12, 2)}, 20);
  ASSERT_TRUE(succeeds(m));
  EXPECT_EQ(m->at("a").offset, 4u);
  EXPECT_TRUE(fails(parse_vectors({vector_entry_json("a", 4, 2), vector_entry_json("a", 12, 1)}),
                    errc::corrupt, {"weights.json: entry 1", "\"a\"", "twice", "2 and 1"}));
}

TEST(VectorManifest, EveryFieldIsChecked) {
  for (const auto* field : {"key", "kind", "offset", "length"}) {
    auto entry = vector_entry_json("a", 0, 1);
    entry.erase(field);
    EXPECT_TRUE(
        fails(parse_vectors({entry}), errc::corrupt, {"weights.json: entry 0", field, "missing"}));
    entry[field] = json::array({1});
    EXPECT_TRUE(fails(parse_vectors({entry}), errc::corrupt, {"weights.json: entry 0", field}));
  }
}

TEST(VectorManifest, FloatsAreWholeAndAligned) {
  for (const auto& [offset, length] : {std::pair{2, 4}, std::pair{4, 5}, std::pair{1, 1}}) {
    auto entry = vector_entry_json("a", 0, 1);
    entry["offset"] = offset, entry["length"] = length;
    EXPECT_TRUE(fails(parse_vectors({entry}), errc::corrupt, {"(a)", "multiples of 4"}));
  }
}

TEST(VectorManifest, RangesLieInsideTheFileEvenWhereSumsWrap) {
  EXPECT_TRUE(succeeds(parse_vectors({vector_entry_json("a", 8, 2)}, 16)));
  EXPECT_TRUE(fails(parse_vectors({vector_entry_json("a", 8, 2)}, 15), errc::corrupt,
                    {"offset 8", "length 8", "15 bytes"}));
  auto wraps = vector_entry_json("a", 0, 2);
  wraps["offset"] = ~std::uint64_t{0} - 3;
  EXPECT_TRUE(fails(parse_vectors({wraps}, 16), errc::corrupt, {"past the end"}));
  wraps["offset"] = 8;
  wraps["length"] = ~std::uint64_t{0} - 3;
  EXPECT_TRUE(fails(parse_vectors({wraps}, 16), errc::corrupt, {"past the end"}));
}

TEST(VectorManifest, OtherDocumentsAreRefused) {
  for (const auto* text : {"", "{}", "[1]", "[{\"key\":1}]", "7"})
    EXPECT_TRUE(
        fails(parse_vector_manifest(text, "weights.json", plenty), errc::corrupt, {"weights.json"}))
        << text;
}

} // namespace
} // namespace larql::vindex
