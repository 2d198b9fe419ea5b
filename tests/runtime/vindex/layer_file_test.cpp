// Mirrors runtime/vindex/layer_file.hpp: the versions of layer files as they are written and
// read. Damage is in layer_file_damage_test.cpp.

#include "runtime/vindex/layer_file.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;

void append_text(std::vector<std::byte>& to, std::string_view text) {
  append_bytes(to, text.data(), text.size());
}

// Header and table of one of the reference's files, written by hand from its description: 26B
// shape, Q4_K, `experts` entries one after the other.
std::vector<std::byte> reference_header(std::uint32_t experts) {
  auto out = std::vector<std::byte>{};
  append_text(out, "LYRW");
  append_u32(out, 1); // version
  append_u32(out, 4); // q4_k
  append_u32(out, experts);
  append_u32(out, 704);                          // intermediate, without padding
  append_u32(out, 2816);                         // hidden
  const auto gate_up = std::uint64_t{2'230'272}; // 1408 rows of 11 blocks of 144 bytes
  const auto down = std::uint64_t{1'216'512};    // 2816 rows of 3 blocks: 704 is padded to 768
  auto at = std::uint64_t{24} + 32 * experts;
  for (auto i = 0u; i < experts; ++i) {
    append_u64(out, at);
    append_u64(out, gate_up);
    append_u64(out, at + gate_up);
    append_u64(out, down);
    at += gate_up + down;
  }
  return out;
}

model_config config_26b() {
  auto c = model_config{};
  c.experts = 128;
  c.expert_width = 704;
  c.hidden = 2816;
  return c;
}

TEST(LayerFile, TheReferencesFileOf26BIsRead) {
  const auto h = parse_layer_header(reference_header(128), 441'192'472, "layer_00.weights");
  ASSERT_TRUE(succeeds(h));
  EXPECT_EQ(h->formats, (expert_formats{encoding::q4_k, encoding::q4_k, encoding::q4_k}));
  EXPECT_EQ(h->width, 704u);
  EXPECT_EQ(h->hidden, 2816u);
  EXPECT_EQ(h->down_cols, 768u);
  EXPECT_EQ(h->gate_up_bytes, 2'230'272u);
  EXPECT_EQ(h->down_bytes, 1'216'512u);
  EXPECT_EQ(h->expert_bytes(), 3'446'784u);
  ASSERT_EQ(h->entries.size(), 128u);
  EXPECT_EQ(h->entries[0].gate_up_offset, 4120u);
  EXPECT_EQ(h->entries[0].down_offset, 4120u + 2'230'272);
  EXPECT_EQ(h->entries[127].down_offset + h->down_bytes, 441'192'472u);
}

TEST(LayerFile, ThePlanOf26BInQ4KIsTheReferencesFile) {
  // Down in K-quants needs whole blocks of 256, which is what version 1 pads to.
  const auto h = plan_layer(encoding::q4_k, encoding::q4_k, 128, 704, 2816);
  EXPECT_EQ(write_layer_header(h), reference_header(128));
}

TEST(LayerFile, TheWorkedExampleOfTheDocumentationHolds) {
  const auto h = plan_layer(encoding::q4_k, encoding::q4_k, 2, 704, 2816);
  const auto bytes = write_layer_header(h);
  const unsigned char first[] = {
      0x4c, 0x59, 0x52, 0x57, 1, 0,    0, 0, 4,    0,    0,    0, 2, 0, 0, 0,
      0xc0, 2,    0,    0,    0, 0x0b, 0, 0, 0x58, 0,    0,    0, 0, 0, 0, 0,
      0,    0x08, 0x22, 0,    0, 0,    0, 0, 0x58, 0x08, 0x22, 0, 0, 0, 0, 0,
      0,    0x90, 0x12, 0,    0, 0,    0, 0, 0x58, 0x98, 0x34, 0, 0, 0, 0, 0};
  ASSERT_GE(bytes.size(), sizeof first);
  EXPECT_EQ(0, std::memcmp(bytes.data(), first, sizeof first));
}

TEST(LayerFile, AVersion1FileWithoutPaddingIsReadToo) {
  auto out = std::vector<std::byte>{};
  append_text(out, "LYRW");
  for (const auto x : {1u, 0u, 1u, 96u, 64u}) // F32, one entry
    append_u32(out, x);
  const auto gate_up = std::uint64_t{2 * 96 * 64 * 4}, down = std::uint64_t{64 * 96 * 4};
  for (const auto x : {std::uint64_t{56}, gate_up, 56 + gate_up, down})
    append_u64(out, x);
  const auto h = parse_layer_header(out, 56 + gate_up + down, "layer");
  ASSERT_TRUE(succeeds(h));
  EXPECT_EQ(h->down_cols, 96u);
  EXPECT_EQ(h->down_bytes, down);
}

class LayerFormats : public testing::TestWithParam<std::tuple<encoding, encoding>> {};

TEST_P(LayerFormats, WhatIsWrittenIsReadBack) {
  const auto [gate_up, down] = GetParam();
  for (const auto width : {96u, 256u, 704u}) {
    const auto planned = plan_layer(gate_up, down, 5, width, 512);
    const auto bytes = write_layer_header(planned);
    const auto version_1 = load_u32(bytes, 4) == layer_version_1;
    const auto size = layer_table_bytes(version_1 ? layer_version_1 : layer_version_2, 5) +
                      5 * planned.expert_bytes();
    EXPECT_EQ(planned.entries.front().gate_up_offset, bytes.size());
    // Version 1 has one of the reference's formats, and down padded to 256.
    EXPECT_EQ(version_1, gate_up == down && layer_code(down) < 64 &&
                             planned.down_cols == (width + 255) / 256 * 256);
    const auto h = parse_layer_header(bytes, size, "layer");
    ASSERT_TRUE(succeeds(h));
    EXPECT_EQ(h->formats, (expert_formats{gate_up, gate_up, down}));
    EXPECT_EQ(h->width, width);
    EXPECT_EQ(h->hidden, 512u);
    EXPECT_EQ(h->down_cols, planned.down_cols);
    EXPECT_EQ(h->gate_up_bytes, planned.gate_up_bytes);
    EXPECT_EQ(h->down_bytes, planned.down_bytes);
    ASSERT_EQ(h->entries.size(), 5u);
    for (auto i = 0; i < 5; ++i) {
      EXPECT_EQ(h->entries[i].gate_up_offset, planned.entries[i].gate_up_offset);
      EXPECT_EQ(h->entries[i].down_offset, planned.entries[i].down_offset);
    }
    EXPECT_TRUE(fails(parse_layer_header(bytes, size - 1, "layer"), errc::corrupt,
                      {"entry 4", "past the end"}));
  }
}

INSTANTIATE_TEST_SUITE_P(Pairs, LayerFormats,
                         testing::Combine(testing::ValuesIn(quant::all_encodings),
                                          testing::ValuesIn(quant::all_encodings)),
                         [](const auto& p) {
                           return fmt::format("{}_{}", quant::name_of(std::get<0>(p.param)),
                                              quant::name_of(std::get<1>(p.param)));
                         });

TEST(LayerFile, Version3HasAFormatForGateUpAndDown) {
  // The bytes of the documentation: two experts, Q4_K gate, Q5_0 up, Q8_0 down.
  const std::uint32_t head[] = {layer_magic, 3, 4, 2, 704, 2816, 6, 704, 64};
  const auto planned = plan_layer({encoding::q4_k, encoding::q5_0, encoding::q8_0}, 2, 704, 2816);
  const auto bytes = write_layer_header(planned);
  ASSERT_EQ(bytes.size(), layer_table_bytes(layer_version_3, 2));
  for (auto i = std::size_t{0}; i < std::size(head); ++i)
    EXPECT_EQ(load_u32(bytes, 4 * i), head[i]) << i;
  const auto h = parse_layer_header(bytes, bytes.size() + 2 * planned.expert_bytes(), "layer");
  ASSERT_TRUE(succeeds(h));
  EXPECT_EQ(h->formats, planned.formats);
  EXPECT_EQ(h->gate_bytes, 704u * 11 * 144);
  EXPECT_EQ(h->gate_up_bytes, 704u * 11 * 144 + 704u * 88 * 22);
  EXPECT_EQ(h->down_bytes, 2816u * 22 * 34);
  // Every cut of the header is one.
  for (const auto size : {24u, 32u, 35u, 36u, 99u})
    EXPECT_TRUE(fails(parse_layer_header(std::span{bytes}.first(size), size, "layer"),
                      errc::corrupt, {"layer", "truncated"}))
        << size;
  auto unknown = bytes;
  unknown[32] = std::byte{7};
  EXPECT_TRUE(fails(parse_layer_header(unknown, 1 << 30, "layer"), errc::unsupported,
                    {"layer", "up_format", "7"}));
  auto later = bytes;
  later[4] = std::byte{4};
  EXPECT_TRUE(fails(parse_layer_header(later, 1 << 30, "layer"), errc::unsupported,
                    {"layer", "version", "4"}));
}

TEST(LayerFile, FormatCodesNeverChange) {
  const std::pair<encoding, std::uint32_t> codes[] = {
      {encoding::f32, 0},       {encoding::f16, 1},     {encoding::bf16, 2},
      {encoding::q4_0, 3},      {encoding::q4_k, 4},    {encoding::q6_k, 5},
      {encoding::q8_0, 6},      {encoding::q5_0, 64},   {encoding::q5_1, 65},
      {encoding::iq4_nl, 66},   {encoding::q5_k, 67},   {encoding::q4_1, 68},
      {encoding::iq4_xs, 69},   {encoding::q3_k, 70},   {encoding::q2_k, 71},
      {encoding::mxfp4, 72},    {encoding::iq3_s, 73},  {encoding::iq3_xxs, 74},
      {encoding::iq2_s, 75},    {encoding::iq2_xs, 76}, {encoding::iq2_xxs, 77},
      {encoding::q6_k_ggml, 78}};
  ASSERT_EQ(std::size(codes), quant::encoding_count);
  for (const auto& [e, code] : codes) {
    EXPECT_EQ(layer_code(e), code);
    EXPECT_EQ(encoding_from_layer_code(code), e);
  }
  const auto largest =
      std::ranges::max(quant::block_table, {}, &quant::block_facts::layer_code).layer_code;
  for (const auto code : {7u, 8u, 63u, largest + 1, ~0u})
    EXPECT_EQ(encoding_from_layer_code(code), std::nullopt);
}

TEST(LayerFile, EntriesMayLieInAnyOrderWithGaps) {
  auto h = plan_layer(encoding::q8_0, encoding::q8_0, 2, 96, 64);
  std::swap(h.entries[0], h.entries[1]);
  h.entries[0].down_offset += 1000;
  const auto bytes = write_layer_header(h);
  const auto back = parse_layer_header(bytes, bytes.size() + 2 * h.expert_bytes() + 1000, "layer");
  ASSERT_TRUE(succeeds(back));
  EXPECT_GT(back->entries[0].gate_up_offset, back->entries[1].gate_up_offset);
}

// ---- files --------------------------------------------------------------------------------------

TEST(LayerFile, AFileIsComparedWithIndexJson) {
  const auto dir = test::temporary_directory{};
  const auto path = dir / "layer_00.weights";
  test::write_file(path, reference_header(128));
  test::set_file_size(path, 441'192'472);
  const auto in = file::open(path);
  ASSERT_TRUE(succeeds(in));
  EXPECT_TRUE(succeeds(read_layer_header(*in, config_26b())));
  auto c = config_26b();
  c.experts = 64;
  EXPECT_TRUE(fails(read_layer_header(*in, c), errc::mismatch,
                    {path.string(), "num_entries", "128", "64"}));
  c = config_26b();
  c.expert_width = 705;
  EXPECT_TRUE(fails(read_layer_header(*in, c), errc::mismatch,
                    {path.string(), "intermediate", "704", "705"}));
  c = config_26b();
  c.hidden = 2560;
  EXPECT_TRUE(
      fails(read_layer_header(*in, c), errc::mismatch, {path.string(), "hidden", "2816", "2560"}));
}

TEST(LayerFile, AFileOfAnyShortSizeIsAnErrorThatNamesIt) {
  const auto dir = test::temporary_directory{};
  const auto path = dir / "layer_00.weights";
  const auto head = reference_header(128);
  for (const auto size : {0u, 1u, 23u, 24u, 31u, 55u, 1000u, 4119u, 4120u, 5000u}) {
    test::write_file(path, std::span{head}.first(std::min<std::size_t>(size, head.size())));
    test::set_file_size(path, size);
    const auto in = file::open(path);
    ASSERT_TRUE(succeeds(in));
    EXPECT_TRUE(fails(read_layer_header(*in, config_26b()), errc::corrupt, {path.string()}))
        << size;
  }
}

} // namespace
} // namespace larql::vindex
