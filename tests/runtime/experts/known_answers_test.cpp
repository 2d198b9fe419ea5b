// Mirrors runtime/experts/known_answers.hpp: what the digests depend on, and what they find.

#include "runtime/experts/known_answers.hpp"

#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

namespace larql::experts {
namespace {

using test::succeeds;

constexpr auto all_experts = std::array{0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u};

std::unique_ptr<test::running_model> open(const test::tiny_vindex& v) {
  auto out = test::running_model::open(v.path());
  EXPECT_TRUE(succeeds(out));
  return out ? *std::move(out) : nullptr;
}

vindex::layer_header header_of(const test::tiny_vindex& v, std::uint32_t layer) {
  const auto in = file::open(v / vindex::layer_file_name(layer));
  EXPECT_TRUE(succeeds(in));
  if (!in)
    return {};
  const auto out = vindex::read_layer_header(*in, v.config());
  EXPECT_TRUE(succeeds(out));
  return out ? *out : vindex::layer_header{};
}

std::vector<vindex::answer_digest> answers_of(kernels::compute compute, const expert_bank& bank,
                                              std::uint32_t layer,
                                              std::span<const std::uint32_t> experts) {
  auto out = std::vector<vindex::answer_digest>{};
  for (const auto& a : known_answers{compute, bank}.of(layer, experts)) {
    EXPECT_TRUE(succeeds(a));
    out.push_back(a ? *a : vindex::answer_digest{});
  }
  return out;
}
std::vector<vindex::answer_digest> answers_of(test::running_model& m, std::uint32_t layer,
                                              std::span<const std::uint32_t> experts) {
  return answers_of(m.compute(), m.bank(), layer, experts);
}
vindex::answer_digest answer_of(test::running_model& m, std::uint32_t layer, std::uint32_t expert) {
  return answers_of(m, layer, {&expert, 1})[0];
}

TEST(KnownAnswers, HaveInputsThatNeverChange) {
  const auto x = known_answer_inputs(4);
  ASSERT_EQ(x.size(), 16u * 4);
  const auto again = known_answer_inputs(8);
  for (auto r = 0u; r < 16; ++r) // a wider model has the same numbers, and more
    for (auto i = 0u; i < 4; ++i)
      EXPECT_EQ(x[r * 4 + i], again[r * 8 + i]);
  auto hash = sha256{};
  const auto wide = known_answer_inputs(256);
  hash.update(std::as_bytes(std::span{wide}));
  EXPECT_EQ(to_hex(hash.finish()),
            "d66eae3e911444025d29453ddbd511952aa2c1dc35401774e518f9760c82f74f");
}

TEST(KnownAnswers, AreTheSameAloneAndTogetherWithOthers) {
  const auto v = test::tiny_vindex{test::all_in(quant::encoding::q4_0)};
  const auto m = open(v);
  ASSERT_TRUE(m);
  const auto all = answers_of(*m, 1, all_experts);
  for (const auto e : all_experts)
    EXPECT_EQ(answer_of(*m, 1, e), all[e]);
  EXPECT_NE(all[0], all[1]);
  EXPECT_NE(answer_of(*m, 0, 0), all[0]);
}

TEST(KnownAnswers, DoNotDependOnTheInstructionSet) {
  for (const auto e : quant::all_encodings) {
    const auto v = test::tiny_vindex{test::all_in(e, test::k_quant_options())};
    const auto m = open(v);
    ASSERT_TRUE(m);
    auto pool = compute_pool{1};
    const auto plain = kernels::compute{**kernels::kernels_by_name("scalar"), pool};
    EXPECT_EQ(answers_of(plain, m->bank(), 0, all_experts), answers_of(*m, 0, all_experts))
        << quant::name_of(e);
  }
}

// Flips single bits of the stored experts of a vindex, anywhere in gate, up and down.
class bit_flips {
public:
  explicit bit_flips(const test::tiny_vindex& v)
      : path_(v / vindex::layer_file_name(0)),
        header_(header_of(v, 0)),
        content_(test::read_file(path_)),
        model_(open(v)) {}

  [[nodiscard]] bool is_ready() const { return model_ && !header_.entries.empty(); }
  [[nodiscard]] std::vector<vindex::answer_digest> answers() const {
    return answers_of(*model_, 0, all_experts);
  }
  /// Whether an expert answers otherwise with a bit flipped. The file is as before then.
  [[nodiscard]] bool changes(std::uint32_t expert, std::uint32_t byte, unsigned bit,
                             const vindex::answer_digest& right) const {
    const auto ranges = vindex::expert_ranges(header_, expert);
    const auto offset = byte < ranges[0].bytes ? ranges[0].offset + byte
                                               : ranges[1].offset + byte - ranges[0].bytes;
    const auto was = static_cast<std::uint8_t>(content_[offset]);
    test::overwrite_number(path_, offset, static_cast<std::uint8_t>(was ^ (1u << bit)));
    const auto one = std::array{expert};
    const auto found = known_answers{model_->compute(), model_->bank()}.of(0, one);
    test::overwrite_number(path_, offset, was);
    return !found[0] || *found[0] != right;
  }
  [[nodiscard]] std::uint32_t expert_bytes() const {
    return static_cast<std::uint32_t>(header_.expert_bytes());
  }

private:
  std::filesystem::path path_;
  vindex::layer_header header_;
  std::string content_;
  std::unique_ptr<test::running_model> model_;
};

// Gives the groups of each block of 256 scales and minima of about one size, as models have them.
// Among random ones are some next to nothing, and what changes there hardly shows beside the
// others.
void make_scales_even(quant::encoding e, std::span<std::byte> weights) {
  using quant::scale_layout;
  const auto& facts = quant::facts_of(e);
  const auto set = [](std::span<std::byte> bytes, unsigned bits) {
    for (auto& b : bytes)
      b |= static_cast<std::byte>(bits);
  };
  // The upper two bits of six, 32 taken off, become equal: at least 16 to either side.
  const auto spread_pairs = [](std::span<std::byte> bytes) {
    for (auto& b : bytes)
      b = (b & std::byte{0xaa}) | (b & std::byte{0xaa}) >> 1;
  };
  for (auto at = std::size_t{0}; at < weights.size(); at += facts.bytes) {
    const auto scales = weights.subspan(at + facts.scales_at);
    switch (facts.scales) {
    case scale_layout::none: break;
    case scale_layout::six_bit: set(scales.first(8), 0xa0); break; // bit 5 of two numbers
    case scale_layout::six_bit_signed: spread_pairs(scales.subspan(8, 4)); break;
    case scale_layout::split_six: spread_pairs(scales.first(2)); break;
    case scale_layout::nibbles: set(scales.first(16), 0x88); break;
    case scale_layout::odd_nibbles: set(scales.first(facts.groups / 2), 0x88); break;
    case scale_layout::odd_top_nibbles:
      for (auto j = 0u; j < facts.groups; ++j)
        set(scales.subspan(j * facts.scale_step + 3, 1), 0x80);
      break;
    case scale_layout::signed_bytes:
      for (auto& b : scales.first(facts.groups)) {
        const auto scale = static_cast<std::int8_t>(b);
        const auto size = std::abs(scale) % 64 + 64;
        b = static_cast<std::byte>(scale < 0 ? -size : size);
      }
      break;
    }
  }
}

struct share {
  std::size_t tried = 0, found = 0;
  std::string by_encoding;
};

// Of a thousand flips in experts of all encodings.
share share_of_flips(bool even_scales) {
  constexpr auto of_each = 1000 / quant::all_encodings.size() + 1;
  auto random = test::random_source{3};
  auto out = share{};
  for (const auto e : quant::all_encodings) {
    auto model = test::tiny_model{test::all_in(e, test::k_quant_options())};
    if (even_scales)
      for (const auto* key : {"layers.0.experts.gate_up_proj", "layers.0.experts.down_proj"})
        make_scales_even(e, model.bytes(key));
    const auto v = test::tiny_vindex{model};
    const auto flips = bit_flips{v};
    if (!flips.is_ready())
      continue; // open() and header_of() have said why
    const auto right = flips.answers();
    auto here = std::size_t{0};
    for (auto i = std::size_t{0}; i < of_each; ++i) {
      const auto expert = random.below(8);
      const auto byte = random.below(flips.expert_bytes());
      here += flips.changes(expert, byte, random.below(8), right[expert]) ? 1 : 0;
    }
    EXPECT_EQ(flips.answers(), right) << quant::name_of(e);
    out.by_encoding += fmt::format("; {}: {} of {}", quant::name_of(e), here, of_each);
    out.tried += of_each;
    out.found += here;
  }
  return out;
}

TEST(KnownAnswers, FindNineteenOfTwentyFlippedBits) {
  const auto s = share_of_flips(true);
  EXPECT_GE(s.tried, 1000u);
  EXPECT_GE(s.found * 100, s.tried * 96) << s.found << " of " << s.tried << s.by_encoding;
}

TEST(KnownAnswers, FindHardlyLessWhereScalesDifferMoreThanAnyModelsDo) {
  const auto s = share_of_flips(false);
  EXPECT_GE(s.tried, 1000u);
  EXPECT_GE(s.found * 100, s.tried * 94) << s.found << " of " << s.tried << s.by_encoding;
}

TEST(KnownAnswers, OfADamagedExpertAreAnErrorAndThoseBesideItStay) {
  const auto v = test::tiny_vindex{test::all_in(quant::encoding::q8_0)};
  const auto m = open(v);
  ASSERT_TRUE(m);
  const auto first = answer_of(*m, 0, 0), last = answer_of(*m, 0, 2);
  const auto h = header_of(v, 0);
  ASSERT_EQ(h.entries.size(), 8u);
  test::overwrite_number(v / vindex::layer_file_name(0), h.entries[1].down_offset,
                         std::uint16_t{0x7e00}); // NaN
  const auto experts = std::array{0u, 1u, 2u};
  const auto found = known_answers{m->compute(), m->bank()}.of(0, experts);
  ASSERT_EQ(found.size(), 3u);
  ASSERT_TRUE(succeeds(found[0]));
  EXPECT_EQ(*found[0], first);
  EXPECT_TRUE(test::fails(found[1], errc::corrupt, {"layer_00", "entry 1", "down"}));
  ASSERT_TRUE(succeeds(found[2]));
  EXPECT_EQ(*found[2], last);
}

} // namespace
} // namespace larql::experts
