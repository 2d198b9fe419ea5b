// Mirrors runtime/vindex/layer_file.hpp: every way in which a layer file can be damaged is an error
// that names the file, the field and the value.

#include "runtime/vindex/layer_file.hpp"

#include "runtime/base/bytes.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;

constexpr auto experts = 4u;

struct sample {
  std::vector<std::byte> head;
  std::uint64_t size = 0;

  void put_u32(std::size_t at, std::uint32_t x) { std::memcpy(head.data() + at, &x, 4); }
  void put_u64(std::size_t at, std::uint64_t x) { std::memcpy(head.data() + at, &x, 8); }
  // Field 0 to 3 of an entry: gate_up offset and bytes, down offset and bytes.
  [[nodiscard]] std::size_t field(unsigned entry, unsigned n) const {
    return head.size() - (experts - entry) * 32 + 8 * n;
  }
  [[nodiscard]] result<layer_header> parse() const { return parse_layer_header(head, size, "L"); }
};

sample make(encoding gate_up, encoding down) {
  const auto h = plan_layer(gate_up, down, experts, 256, 512);
  auto out = sample{write_layer_header(h), 0};
  out.size = out.head.size() + experts * h.expert_bytes();
  return out;
}
sample version_1() {
  return make(encoding::q4_k, encoding::q4_k);
}
sample version_2() {
  return make(encoding::q4_k, encoding::q5_0);
}

class LayerDamage : public testing::TestWithParam<bool> {
protected:
  static sample good() { return GetParam() ? version_2() : version_1(); }
};
INSTANTIATE_TEST_SUITE_P(Versions, LayerDamage, testing::Bool(), [](const auto& p) {
  return std::string{p.param ? "Version2" : "Version1"};
});

TEST_P(LayerDamage, TheSampleIsGood) {
  EXPECT_TRUE(succeeds(good().parse()));
}

TEST_P(LayerDamage, MagicsOfOtherFilesAreRefused) {
  for (const auto magic : {0u, 0x4c595257u /* bytes "WRYL" */, 0x46554747u}) {
    auto s = good();
    s.put_u32(0, magic);
    EXPECT_TRUE(
        fails(s.parse(), errc::corrupt, {"L: magic", fmt::format("{:08x}", magic), "LYRW"}));
  }
}

TEST_P(LayerDamage, OtherVersionsAreUnsupported) {
  for (const auto version : {0u, 4u, ~0u}) {
    auto s = good();
    s.put_u32(4, version);
    EXPECT_TRUE(fails(s.parse(), errc::unsupported, {"L: ", "version", std::to_string(version)}));
  }
}

TEST_P(LayerDamage, UnknownFormatCodesAreUnsupported) {
  const auto largest =
      std::ranges::max(quant::block_table, {}, &quant::block_facts::layer_code).layer_code;
  for (const auto code : {7u, 8u, 63u, largest + 1, ~0u}) {
    auto s = good();
    s.put_u32(8, code);
    EXPECT_TRUE(fails(s.parse(), errc::unsupported, {"L: ", "format", std::to_string(code)}));
  }
}

TEST_P(LayerDamage, CountsOutOfRangeAreRefusedBeforeAnythingIsAllocated) {
  for (const auto count : {0u, 4097u, 1u << 31, ~0u}) {
    auto s = good();
    s.put_u32(12, count);
    EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: ", "num_entries", std::to_string(count)}));
  }
}

TEST_P(LayerDamage, ATableLongerThanTheFileIsTruncated) {
  auto s = good();
  s.put_u32(12, experts + 1);
  EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: truncated", "5 entries"}));
}

TEST_P(LayerDamage, WidthsOutOfRangeAreRefused) {
  for (const auto at : {16u, 20u})
    for (const auto width : {0u, (1u << 17) + 256, ~0u}) {
      auto s = good();
      s.put_u32(at, width);
      EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: ", std::to_string(width), "out of range"}));
    }
}

TEST_P(LayerDamage, AHiddenSizeOfNoWholeBlocksIsRefused) {
  auto s = good();
  s.put_u32(20, 500);
  EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"hidden", "500", "multiple of 256"}));
}

TEST_P(LayerDamage, AWidthThatContradictsTheSizesIsRefused) {
  for (const auto width : {255u, 1u, 512u}) {
    auto s = good();
    s.put_u32(16, width);
    EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: "})) << width;
  }
}

TEST_P(LayerDamage, SizesOfEveryEntryAreChecked) {
  for (auto entry = 0u; entry < experts; ++entry)
    for (const auto n : {1u, 3u})
      for (const auto change : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
        auto s = good();
        const auto at = s.field(entry, n);
        s.put_u64(at, load_u64(s.head, at) + change);
        EXPECT_TRUE(fails(s.parse(), errc::corrupt,
                          {"L: ", n == 1 ? "gate_up" : "down", fmt::format("entry {}", entry),
                           std::to_string(load_u64(s.head, at))}));
      }
}

TEST_P(LayerDamage, OffsetsPastTheEndAreRefusedEvenWhereSumsWrap) {
  for (auto entry = 0u; entry < experts; ++entry)
    for (const auto n : {0u, 2u}) {
      const auto s0 = good();
      for (const auto offset :
           {s0.size, s0.size - 1, ~std::uint64_t{0},
            ~std::uint64_t{0} - load_u64(s0.head, s0.field(entry, n + 1)) + 1}) {
        auto s = s0;
        s.put_u64(s.field(entry, n), offset);
        EXPECT_TRUE(fails(s.parse(), errc::corrupt,
                          {fmt::format("L: entry {}", entry), n == 0 ? "gate_up" : "down",
                           std::to_string(offset), "past the end"}));
      }
    }
}

TEST_P(LayerDamage, EntriesThatOverlapAreRefused) {
  auto same = good();
  same.put_u64(same.field(2, 0), load_u64(same.head, same.field(1, 0)));
  EXPECT_TRUE(fails(same.parse(), errc::corrupt, {"L: ", "overlap"}));
  auto by_one = good();
  by_one.put_u64(by_one.field(1, 2), load_u64(by_one.head, by_one.field(1, 2)) - 1);
  EXPECT_TRUE(fails(by_one.parse(), errc::corrupt, {"L: ", "overlap"}));
}

TEST_P(LayerDamage, EntriesThatOverlapTheTableAreRefused) {
  for (const auto offset : {std::uint64_t{0}, std::uint64_t{8}}) {
    auto s = good();
    s.put_u64(s.field(0, 0), offset);
    EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: ", "overlap"}));
  }
  auto last_byte = good();
  last_byte.put_u64(last_byte.field(0, 0), last_byte.head.size() - 1);
  EXPECT_TRUE(fails(last_byte.parse(), errc::corrupt, {"overlap"}));
}

TEST_P(LayerDamage, EveryTruncationOfHeaderAndTableIsRefused) {
  const auto s = good();
  for (auto n = std::size_t{0}; n < s.head.size(); ++n)
    EXPECT_TRUE(
        fails(parse_layer_header(std::span{s.head}.first(n), n, "L"), errc::corrupt, {"L: "}))
        << n;
}

TEST_P(LayerDamage, RandomDamageNeverPassesWithRangesOutsideTheFile) {
  auto random = test::random_source{42};
  auto accepted = 0;
  for (auto round = 0; round < 20000; ++round) {
    auto s = good();
    for (auto n = 1 + random.below(3); n > 0; --n)
      s.head[random.below(static_cast<std::uint32_t>(s.head.size()))] =
          static_cast<std::byte>(random.bits());
    const auto h = s.parse();
    if (!h)
      continue;
    ++accepted;
    for (const auto& e : h->entries) {
      ASSERT_LE(e.gate_up_offset + h->gate_up_bytes, s.size);
      ASSERT_LE(e.down_offset + h->down_bytes, s.size);
      ASSERT_GE(e.gate_up_offset, s.head.size());
      ASSERT_GE(e.down_offset, s.head.size());
    }
  }
  EXPECT_LT(accepted, 5000); // bytes that change nothing: equal values, other encodings' codes
}

// ---- version 2 only -----------------------------------------------------------------------------

TEST(LayerDamage2, TheFormatOfDownIsChecked) {
  auto s = version_2();
  s.put_u32(24, 7);
  EXPECT_TRUE(fails(s.parse(), errc::unsupported, {"L: ", "down_format", "7"}));
}

TEST(LayerDamage2, ColumnsOfDownHoldTheWidthInWholeBlocks) {
  for (const auto cols : {0u, 128u, 255u, 257u}) {
    auto s = version_2();
    s.put_u32(28, cols);
    EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"L: ", "down_cols", std::to_string(cols)}));
  }
  auto s = version_2();
  s.put_u32(28, ~0u);
  EXPECT_TRUE(fails(s.parse(), errc::corrupt, {"down_cols", "4294967295", "out of range"}));
}

} // namespace
} // namespace larql::vindex
