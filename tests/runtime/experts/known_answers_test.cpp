// Mirrors runtime/experts/known_answers.hpp: what the digests depend on, and what they find.

#include "runtime/experts/known_answers.hpp"

#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::succeeds;

std::vector<vindex::answer_digest> answers_of(test::running_model& m, std::uint32_t layer,
                                              std::vector<std::uint32_t> experts) {
  auto out = std::vector<vindex::answer_digest>{};
  for (const auto& a : known_answers{m.compute(), m.bank()}.of(layer, experts)) {
    EXPECT_TRUE(succeeds(a));
    out.push_back(a ? *a : vindex::answer_digest{});
  }
  return out;
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
  const auto m = *test::running_model::open(v.path());
  const auto all = answers_of(*m, 1, {0, 1, 2, 3, 4, 5, 6, 7});
  for (auto e = 0u; e < 8; ++e)
    EXPECT_EQ(answers_of(*m, 1, {e})[0], all[e]);
  EXPECT_NE(all[0], all[1]);
  EXPECT_NE(answers_of(*m, 0, {0})[0], all[0]);
}

TEST(KnownAnswers, DoNotDependOnTheInstructionSet) {
  for (const auto e : quant::all_encodings) {
    const auto v = test::tiny_vindex{test::all_in(e, test::k_quant_options())};
    const auto m = *test::running_model::open(v.path());
    auto pool = compute_pool{1};
    const auto plain = kernels::compute{**kernels::kernels_by_name("scalar"), pool};
    const auto experts = std::vector{2u, 3u};
    const auto found = known_answers{plain, m->bank()}.of(0, experts);
    EXPECT_EQ(*found[1], answers_of(*m, 0, {3})[0]) << quant::name_of(e);
  }
}

// Flips bits of stored weights, of every encoding alike.
TEST(KnownAnswers, FindNineteenOfTwentyFlippedBits) {
  constexpr auto flips = 1000;
  auto random = test::random_source{3};
  auto tried = 0, found = 0;
  auto by_encoding = std::string{};
  for (const auto e : quant::all_encodings) {
    const auto v = test::tiny_vindex{test::all_in(e, test::k_quant_options())};
    const auto m = *test::running_model::open(v.path());
    const auto path = v / vindex::layer_file_name(0);
    const auto h = *vindex::read_layer_header(*file::open(path), v.config());
    const auto right = answers_of(*m, 0, {0, 1, 2, 3, 4, 5, 6, 7});
    const auto content = test::read_file(path);
    auto here = 0;
    const auto of_this = (flips + 10) / 11;
    for (auto i = 0; i < of_this; ++i) {
      const auto expert = random.below(8);
      const auto bytes = vindex::expert_ranges(h, expert);
      auto at = random.below(static_cast<std::uint32_t>(h.expert_bytes()));
      const auto offset =
          at < bytes[0].bytes ? bytes[0].offset + at : bytes[1].offset + at - bytes[0].bytes;
      const auto bit = static_cast<std::uint8_t>(1u << random.below(8));
      const auto was = static_cast<std::uint8_t>(content[offset]);
      test::overwrite_number(path, offset, static_cast<std::uint8_t>(was ^ bit));
      const auto one = std::vector{expert};
      const auto answer = known_answers{m->compute(), m->bank()}.of(0, one);
      here += !answer[0] || *answer[0] != right[expert];
      test::overwrite_number(path, offset, was);
    }
    EXPECT_EQ(answers_of(*m, 0, {0, 1, 2, 3, 4, 5, 6, 7}), right) << quant::name_of(e);
    by_encoding += fmt::format("; {}: {} of {}", quant::name_of(e), here, of_this);
    tried += of_this;
    found += here;
  }
  EXPECT_GE(tried, flips);
  EXPECT_GE(found * 100, tried * 95) << found << " of " << tried << by_encoding;
}

TEST(KnownAnswers, OfADamagedExpertAreAnErrorAndThoseBesideItStay) {
  const auto options = test::all_in(quant::encoding::q8_0);
  const auto v = test::tiny_vindex{options};
  const auto m = *test::running_model::open(v.path());
  const auto right = answers_of(*m, 0, {0, 2});
  const auto path = v / vindex::layer_file_name(0);
  const auto h = *vindex::read_layer_header(*file::open(path), v.config());
  test::overwrite_number(path, h.entries[1].down_offset, std::uint16_t{0x7e00}); // NaN
  const auto experts = std::vector{0u, 1u, 2u};
  const auto found = known_answers{m->compute(), m->bank()}.of(0, experts);
  EXPECT_EQ(*found[0], right[0]);
  EXPECT_TRUE(test::fails(found[1], errc::corrupt, {"layer_00", "entry 1", "down"}));
  EXPECT_EQ(*found[2], right[1]);
}

} // namespace
} // namespace larql::experts
