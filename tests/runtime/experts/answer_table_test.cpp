// Mirrors runtime/experts/answer_table.hpp: the table in checksums.json, and comparing with it.

#include "runtime/experts/answer_table.hpp"

#include "runtime/vindex/format.hpp"
#include "runtime/vindex/package/slice.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/rotated_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::fails;
using test::succeeds;

class AnswerTable : public testing::Test {
protected:
  [[nodiscard]] kernels::compute compute() { return {**kernels::kernels_by_name(""), pool_}; }
  [[nodiscard]] vindex::checksums sums_of(const std::filesystem::path& dir) {
    const auto sums = vindex::read_checksums(dir);
    EXPECT_TRUE(succeeds(sums));
    return sums && *sums ? **sums : vindex::checksums{};
  }
  /// Experts whose answers are right.
  [[nodiscard]] std::uint64_t compared(const std::filesystem::path& dir,
                                       const answers_request& request = {}) {
    const auto report = compare_answers(compute(), dir, request);
    EXPECT_TRUE(succeeds(report));
    if (!report)
      return 0;
    for (const auto& text : report->wrong)
      ADD_FAILURE() << text;
    return report->compared;
  }
  static void expect_readable(const vindex::checksums& sums) {
    const auto again = vindex::parse_checksums(vindex::write_checksums(sums), "c");
    ASSERT_TRUE(succeeds(again));
    EXPECT_EQ(*again, sums);
  }
  compute_pool pool_{2};
};

TEST_F(AnswerTable, HoldsEveryExpertAndIsReadAsItWasWritten) {
  const auto v = test::tiny_vindex{test::all_in(quant::encoding::q4_0)};
  const auto digest = vindex::weights_digest(sums_of(v.path()));
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  const auto sums = sums_of(v.path());
  EXPECT_EQ(vindex::weights_digest(sums), digest); // which weights these are does not change
  ASSERT_EQ(sums.layers.size(), 3u);
  for (const auto& [number, layer] : sums.layers) {
    ASSERT_TRUE(layer.answers);
    EXPECT_EQ(layer.answers->formats.gate, quant::encoding::q4_0);
    EXPECT_EQ(layer.answers->formats.down, quant::encoding::q4_0);
    ASSERT_EQ(layer.answers->experts.size(), 8u);
    for (const auto& a : layer.answers->experts)
      EXPECT_TRUE(a);
  }
  expect_readable(sums);
  const auto same = compare_answers(compute(), v.path(), {});
  ASSERT_TRUE(succeeds(same));
  EXPECT_EQ(same->compared, 24u);
  EXPECT_EQ(same->unknown, 0u);
  EXPECT_TRUE(same->wrong.empty());
}

TEST_F(AnswerTable, GoesOnAfterTheLastWholeLayer) {
  const auto v = test::tiny_vindex{};
  auto calls = 0;
  EXPECT_TRUE(fails(add_known_answers(v.path(), compute(),
                                      [&](std::uint64_t, std::uint64_t) { return ++calls < 2; }),
                    errc::cancelled, {"goes on"}));
  EXPECT_TRUE(sums_of(v.path()).layers[0].answers);
  EXPECT_FALSE(sums_of(v.path()).layers[1].answers);
  auto last = std::uint64_t{0}, total = std::uint64_t{0};
  ASSERT_TRUE(
      succeeds(add_known_answers(v.path(), compute(), [&](std::uint64_t done, std::uint64_t all) {
        last = done;
        total = all;
        return true;
      })));
  EXPECT_EQ(last, total);
  EXPECT_EQ(compared(v.path()), 24u);
}

TEST_F(AnswerTable, GoesIntoSlicesWhichComputeNothingThen) {
  const auto v = test::tiny_vindex{};
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  auto request = vindex::slice_request{};
  request.parts = {vindex::part::norms, vindex::part::manifest, vindex::part::expert_layers};
  request.experts = {2, 5};
  const auto dir = test::temporary_directory{};
  auto o = vindex::slice_options{};
  auto steps = 0;
  o.last_step = [&](const std::filesystem::path& made) {
    return add_known_answers(made, compute(), [&](std::uint64_t, std::uint64_t) {
      ++steps;
      return true;
    });
  };
  const auto plan = vindex::plan_slice(v.path(), request);
  ASSERT_TRUE(succeeds(plan));
  ASSERT_TRUE(succeeds(vindex::slice(*plan, dir.path() / "s", pool_, o)));
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(sums_of(dir.path() / "s").layers, sums_of(v.path()).layers);
  EXPECT_EQ(compared(dir.path() / "s"), 12u);
}

TEST_F(AnswerTable, OfASliceOfAVindexWithoutOneIsThatOfItsExperts) {
  const auto v = test::tiny_vindex{};
  auto request = vindex::slice_request{};
  request.parts = {vindex::part::norms, vindex::part::manifest, vindex::part::expert_layers};
  request.experts = {2, 5};
  const auto dir = test::temporary_directory{};
  auto o = vindex::slice_options{};
  o.last_step = [&](const std::filesystem::path& made) {
    return add_known_answers(made, compute(), {});
  };
  const auto plan = vindex::plan_slice(v.path(), request);
  ASSERT_TRUE(succeeds(plan));
  ASSERT_TRUE(succeeds(vindex::slice(*plan, dir.path() / "s", pool_, o)));
  const auto found = sums_of(dir.path() / "s").layers.at(1).answers;
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->experts[1]);
  EXPECT_TRUE(found->experts[2] && found->experts[5]);
  EXPECT_FALSE(found->experts[6]);
  expect_readable(sums_of(dir.path() / "s"));
}

TEST_F(AnswerTable, NamesExpertsThatWereExchanged) {
  const auto v = test::tiny_vindex{};
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  test::rotate_experts(v.path(), v.config(), 1);
  const auto found = compare_answers(compute(), v.path(), {});
  ASSERT_TRUE(succeeds(found));
  ASSERT_EQ(found->wrong.size(), 8u);
  EXPECT_NE(found->wrong[0].find("layer 1, expert 0: its known answer is"), std::string::npos)
      << found->wrong[0];
}

TEST_F(AnswerTable, IsComparedInPartIfThatIsAskedFor) {
  const auto v = test::tiny_vindex{};
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  EXPECT_EQ(compared(v.path(), {3, 7, {}}), 9u);
}

TEST_F(AnswerTable, SaysOfAGateAndUpOfDifferentEncodingsBoth) {
  auto o = test::all_in(quant::encoding::q4_k, test::k_quant_options());
  o.fused_gate_up = false;
  o.up = quant::encoding::q5_0;
  const auto v = test::tiny_vindex{o};
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  const auto sums = sums_of(v.path());
  EXPECT_EQ(sums.layers.at(0).answers->formats,
            (vindex::expert_formats{quant::encoding::q4_k, quant::encoding::q5_0,
                                    quant::encoding::q4_k}));
  expect_readable(sums);
  const auto same = compare_answers(compute(), v.path(), {});
  ASSERT_TRUE(succeeds(same));
  EXPECT_EQ(same->compared, 24u);
  EXPECT_TRUE(same->wrong.empty());
}

TEST_F(AnswerTable, IsSaidToBeMissing) {
  const auto v = test::tiny_vindex{};
  const auto found = compare_answers(compute(), v.path(), {});
  ASSERT_TRUE(succeeds(found));
  EXPECT_EQ(found->compared, 0u);
  EXPECT_EQ(found->unknown, 24u);
  EXPECT_TRUE(found->wrong.empty());
}

TEST_F(AnswerTable, WithBadFieldsIsNamed) {
  const auto v = test::tiny_vindex{};
  ASSERT_TRUE(succeeds(add_known_answers(v.path(), compute(), {})));
  const auto text = vindex::write_checksums(sums_of(v.path()));
  const auto with = [&](std::string_view from, std::string_view to) {
    auto out = text;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  EXPECT_TRUE(
      fails(vindex::parse_checksums(with("\"gate_up\": \"F32\"", "\"gate_up\": \"F33\""), "c"),
            errc::corrupt, {"c", "layers[0]", "gate_up", "F33"}));
  EXPECT_TRUE(fails(vindex::parse_checksums(with("\"digests\": \"", "\"digests\": \"0"), "c"),
                    errc::corrupt, {"digests", "257", "256", "8 experts"}));
  const auto at = text.find("\"digests\": \"") + 12;
  EXPECT_TRUE(fails(vindex::parse_checksums(text.substr(0, at) + "g" + text.substr(at + 1), "c"),
                    errc::corrupt, {"digests", "expert 0"}));
}

} // namespace
} // namespace larql::experts
