// Mirrors runtime/import/source_bytes.hpp.

#include "runtime/import/source_bytes.hpp"

#include "runtime/import/gguf_checkpoint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

using test::succeeds;
using vindex::expert_block;

class SourceBytes : public testing::Test {
protected:
  void SetUp() override {
    test::gguf_of(test::tiny_model{test::mixed_options()}.checkpoint()).write(file_);
    auto opened = open_gguf(file_, {.texts = false});
    ASSERT_TRUE(succeeds(opened));
    source_ = *std::move(opened);
    auto plan = plan_extract(source_, vindex::quant_kind::lossless, {}, matrices_lie::in_source);
    ASSERT_TRUE(succeeds(plan));
    plan_ = *std::move(plan);
  }
  [[nodiscard]] std::vector<interval_set> needed(const source_needs& needs) const {
    return needed_bytes(plan_, 1, needs);
  }
  [[nodiscard]] expert_block all() const { return vindex::everything(source_.config); }

  test::temporary_directory dir_;
  std::filesystem::path file_ = dir_ / "model.gguf";
  checkpoint source_;
  extract_plan plan_;
};

TEST_F(SourceBytes, WhatIsNeededIsWhatIsAvailable) {
  const auto some = needed({false, false, {{0, 2, 2, 3}}});
  const auto found = available_in(plan_, some);
  EXPECT_FALSE(found.dense);
  EXPECT_EQ(found.experts, (std::vector{expert_block{0, 2, 2, 3}}));
  const auto whole = needed({true, true, {all()}});
  EXPECT_TRUE(available_in(plan_, whole).dense);
  EXPECT_EQ(available_in(plan_, whole).experts, std::vector{all()});
  const auto dense = available_in(plan_, needed({true, true, {}}));
  EXPECT_TRUE(dense.dense);
  EXPECT_TRUE(dense.experts.empty());
}

TEST_F(SourceBytes, NoMoreIsAskedForThanIsNeeded) {
  const auto bytes = [&](const source_needs& needs) { return needed(needs)[0].bytes(); };
  const auto none = bytes({false, false, {}}); // vectors
  const auto one = bytes({false, false, {{0, 2, 5, 5}}});
  EXPECT_EQ(bytes({false, false, {{0, 2, 2, 4}}}) - none, 3 * (one - none));
  auto experts = std::uint64_t{0};
  for (const auto& f : plan_.files)
    if (f.layer)
      for (const auto& p : f.pieces)
        experts += p.rows * quant::row_bytes(p.tensor->format, p.tensor->cols());
  EXPECT_EQ(bytes({false, false, {all()}}) - none, experts);
}

TEST_F(SourceBytes, AnExpertWithAHoleIsNotThere) {
  auto held = needed({false, false, {{0, 2, 2, 4}}});
  for (const auto& f : plan_.files)
    if (f.layer == 1u) { // the last byte of expert 3
      const auto each = f.pieces.size() / f.experts;
      const auto& p = f.pieces[4 * each - 1];
      const auto end = p.tensor->offset + (p.first_row + p.rows) *
                                              quant::row_bytes(p.tensor->format, p.tensor->cols());
      held[0].remove({end - 1, end});
    }
  EXPECT_EQ(available_in(plan_, held).experts,
            (std::vector<expert_block>{{0, 0, 2, 4}, {1, 1, 2, 2}, {1, 1, 4, 4}, {2, 2, 2, 4}}));
}

} // namespace
} // namespace larql::import
