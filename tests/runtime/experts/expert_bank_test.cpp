// Mirrors runtime/experts/expert_bank.hpp: which bytes are whose, and what is refused.

#include "runtime/experts/expert_bank.hpp"

#include "runtime/quant/half.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/damaged_expert.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <thread>

namespace larql::experts {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;
using test::tiny_vindex;

ownership every_expert(const vindex::model_config& c) {
  return {{0, c.layers - 1}, {0, c.experts - 1}};
}

void expect_bytes(const quant::matrix_view& got, std::span<const std::byte> want) {
  ASSERT_EQ(got.size_bytes(), want.size());
  EXPECT_EQ(0, std::memcmp(got.data, want.data(), want.size()));
}

void expect_the_sources_bytes(const tiny_options& o, const ownership& owned) {
  const auto model = tiny_model{o};
  const auto v = tiny_vindex{model};
  const auto bank = expert_bank::open(v.path(), v.config(), owned);
  ASSERT_TRUE(succeeds(bank));
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l)
    for (auto e = owned.experts.first; e <= owned.experts.last; ++e) {
      SCOPED_TRACE(fmt::format("layer {} expert {}", l, e));
      const auto w = bank->get(l, e);
      const auto part = [&](const char* name) {
        const auto& t = model.checkpoint().tensors.at(fmt::format("layers.{}.experts.{}", l, name));
        const auto each = t.data.size() / o.experts;
        return t.data.subspan(e * each, each);
      };
      expect_bytes(w.down, part("down_proj"));
      if (o.fused_gate_up) {
        const auto both = part("gate_up_proj");
        expect_bytes(w.gate, both.first(both.size() / 2));
        expect_bytes(w.up, both.last(both.size() / 2));
      } else {
        expect_bytes(w.gate, part("gate_proj"));
        expect_bytes(w.up, part("up_proj"));
      }
    }
}

TEST(ExpertBank, EveryExpertHasTheBytesOfItsSource) {
  auto o = test::mixed_options();
  expect_the_sources_bytes(o, every_expert(test::config_of(o)));
  expect_the_sources_bytes(o, {{1, 1}, {3, 5}});
  expect_the_sources_bytes(o, {{2, 2}, {7, 7}});
  o.fused_gate_up = false;
  expect_the_sources_bytes(o, {{0, 2}, {0, 3}});
  o.up = encoding::q5_0; // smaller than gate
  expect_the_sources_bytes(o, {{0, 2}, {0, 3}});
}

TEST(ExpertBank, CountsTheBytesItOwns) {
  const auto v = tiny_vindex{};
  const auto expert = std::uint64_t{3} * 96 * 256 * 4;
  EXPECT_EQ(expert_bank::open(v.path(), v.config(), every_expert(v.config()))->owned_bytes(),
            3 * 8 * expert);
  EXPECT_EQ(expert_bank::open(v.path(), v.config(), {{1, 1}, {2, 4}})->owned_bytes(), 3 * expert);
}

TEST(ExpertBank, TellsTheFormatThatInputsMustHave) {
  auto o = tiny_options{};
  o.gate_up = encoding::q4_0;
  const auto v = tiny_vindex{o};
  EXPECT_EQ(expert_bank::open(v.path(), v.config(), {{1, 2}, {0, 0}})->input_format(2),
            quant::activation_format::q8_32);
}

TEST(ExpertBank, InputsOfAGateAndUpThatRoundThemDifferentlyTravelAsTheyAre) {
  const std::tuple<encoding, encoding, quant::activation_format> cases[] = {
      {encoding::q4_k, encoding::q5_0, quant::activation_format::f32},
      {encoding::f32, encoding::q5_0, quant::activation_format::f32},
      {encoding::q4_k, encoding::iq2_xs, quant::activation_format::q8_256},
      {encoding::mxfp4, encoding::q5_0, quant::activation_format::q8_32}};
  for (const auto& [gate, up, expected] : cases) {
    auto o = test::k_quant_options();
    o.fused_gate_up = false;
    o.gate_up = gate, o.up = up;
    const auto v = tiny_vindex{o};
    const auto bank = expert_bank::open(v.path(), v.config(), {{1, 2}, {0, 0}});
    ASSERT_TRUE(succeeds(bank));
    EXPECT_EQ(bank->input_format(1), expected) << quant::name_of(gate) << quant::name_of(up);
    EXPECT_EQ(bank->get(1, 0).gate.format, gate);
    EXPECT_EQ(bank->get(1, 0).up.format, up);
  }
}

TEST(ExpertBank, RangesOutsideTheModelAreUsageErrorsThatNameTheModels) {
  const auto v = tiny_vindex{};
  const auto open = [&](const ownership& o) { return expert_bank::open(v.path(), v.config(), o); };
  EXPECT_TRUE(fails(open({{0, 2}, {0, 8}}), errc::usage, {"experts 0-8", "0-7"}));
  EXPECT_TRUE(fails(open({{0, 2}, {8, 9}}), errc::usage, {"experts 8-9", "0-7"}));
  EXPECT_TRUE(fails(open({{0, 3}, {0, 7}}), errc::usage, {"layers 0-3", "0-2"}));
  EXPECT_TRUE(fails(open({{0, 2}, {5, 4}}), errc::usage, {"experts 5-4"}));
  EXPECT_TRUE(fails(open({{2, 1}, {0, 7}}), errc::usage, {"layers 2-1"}));
  EXPECT_TRUE(fails(open({{0, 2}, {0, ~0u}}), errc::usage, {"experts 0-4294967295"}));
}

TEST(ExpertBank, OnlyOwnedLayersNeedTheirFiles) {
  const auto v = tiny_vindex{};
  std::filesystem::remove(v / vindex::layer_file_name(0));
  EXPECT_TRUE(succeeds(expert_bank::open(v.path(), v.config(), {{1, 2}, {0, 7}})));
  EXPECT_TRUE(fails(expert_bank::open(v.path(), v.config(), every_expert(v.config())),
                    errc::not_found, {(v / "layers/layer_00.weights").string()}));
}

TEST(ExpertBank, ADamagedHeaderIsNamed) {
  const auto v = tiny_vindex{};
  test::overwrite(v / vindex::layer_file_name(1), 0, "GGUF");
  EXPECT_TRUE(fails(expert_bank::open(v.path(), v.config(), every_expert(v.config())),
                    errc::corrupt, {(v / "layers/layer_01.weights").string(), "magic"}));
}

TEST(ExpertBankDeathTest, AskingForAnExpertOfSomebodyElseIsACallersBug) {
  const auto v = tiny_vindex{};
  const auto bank = expert_bank::open(v.path(), v.config(), {{1, 1}, {2, 4}});
  ASSERT_TRUE(succeeds(bank));
  EXPECT_DEATH((void) bank->get(1, 5), "check failed");
  EXPECT_DEATH((void) bank->get(0, 2), "check failed");
  EXPECT_DEATH((void) bank->input_format(2), "check failed");
}

// ---- numbers that are none ----------------------------------------------------------------------

class ExpertBankNaN : public testing::TestWithParam<encoding> {};

TEST_P(ExpertBankNaN, CheckNamesAnyScaleThatIsNotFinite) {
  const auto wide = quant::shape_of(GetParam()).weights == 256;
  const auto o = test::all_in(GetParam(), wide ? test::k_quant_options() : tiny_options{});
  for (const auto part : {test::expert_part::gate, test::expert_part::up, test::expert_part::down})
    for (const auto value :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      const auto v = tiny_vindex{o};
      test::damage_expert(v, 1, 5, part, value);
      const auto bank = expert_bank::open(v.path(), v.config(), every_expert(v.config()));
      ASSERT_TRUE(succeeds(bank));
      EXPECT_TRUE(succeeds(bank->check(1, 4)));
      EXPECT_TRUE(
          fails(bank->check(1, 5), errc::corrupt,
                {(v / "layers/layer_01.weights").string(), "entry 5", test::name_of(part), "NaN"}));
    }
}

INSTANTIATE_TEST_SUITE_P(Encodings, ExpertBankNaN, testing::ValuesIn(quant::all_encodings),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

TEST(ExpertBank, ATableOfExpertsInAnotherOrderIsRefused) {
  const auto v = tiny_vindex{};
  const auto path = v / vindex::layer_file_name(1);
  test::rotate_experts(path, *vindex::read_layer_header(*file::open(path), v.config()));
  EXPECT_TRUE(fails(expert_bank::open(v.path(), v.config(), every_expert(v.config())),
                    errc::mismatch, {path.string(), "table of experts", "checksums.json"}));
  // A vindex of the reference has no checksums to compare with.
  std::filesystem::remove(v / vindex::checksums_file);
  EXPECT_TRUE(succeeds(expert_bank::open(v.path(), v.config(), every_expert(v.config()))));
}

TEST(ExpertBank, AMinimumIsLookedAtToo) {
  for (const auto e : quant::all_encodings) {
    if (!quant::facts_of(e).has_min)
      continue;
    const auto o = test::all_in(e, test::k_quant_options());
    const auto v = tiny_vindex{o};
    const auto path = v / vindex::layer_file_name(0);
    const auto h = vindex::read_layer_header(*file::open(path), v.config());
    test::overwrite_number(path, h->entries[0].down_offset + quant::facts_of(e).min_at,
                           quant::float_to_half(std::numeric_limits<float>::infinity()));
    const auto bank = expert_bank::open(v.path(), v.config(), every_expert(v.config()));
    EXPECT_TRUE(fails(bank->check(0, 0), errc::corrupt, {"down"})) << quant::name_of(e);
  }
}

} // namespace
} // namespace larql::experts
