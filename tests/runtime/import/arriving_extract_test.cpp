// Mirrors runtime/import/arriving_extract.hpp: what is made of a checkpoint that arrives in pieces
// is what extract() makes of the whole.

#include "runtime/import/arriving_extract.hpp"

#include "runtime/import/extract.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/safetensors_writer.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::succeeds;

class ArrivingExtract : public testing::Test {
protected:
  void SetUp() override {
    auto model = test::all_in(encoding::bf16);
    model.tied = false;
    test::write_hf(test::tiny_model{model}.checkpoint(), hf_,
                   {.prefix = "model.language_model.", .shards = 2, .vision = true});
    auto opened = open_hf(hf_);
    ASSERT_TRUE(succeeds(opened));
    source_ = *std::move(opened);
    auto plan = plan_extract(source_, vindex::quant_kind::q4k);
    ASSERT_TRUE(succeeds(plan));
    plan_ = *std::move(plan);
    auto o = extract_options{};
    o.quant = vindex::quant_kind::q4k;
    ASSERT_TRUE(succeeds(extract(source_, dir_ / "want", pool_, o)));
  }
  [[nodiscard]] std::uint64_t size(std::uint32_t part) const {
    return source_.parts[part].stamp.bytes;
  }
  void take(arriving_extract& out, std::uint32_t part, std::uint64_t begin, std::uint64_t end) {
    EXPECT_TRUE(succeeds(out.take(part, {begin, end})));
    const auto from = out.needed_from(part, end);
    EXPECT_LE(from, end);
    EXPECT_LT(end - from, 2 * 256u); // less than a row
  }
  [[nodiscard]] bool is_as_extracted() const {
    return test::read_tree(dir_ / "v") == test::read_tree(dir_ / "want");
  }

  compute_pool pool_{2};
  test::temporary_directory dir_;
  fs::path hf_ = dir_ / "tiny";
  checkpoint source_;
  extract_plan plan_;
};

TEST_F(ArrivingExtract, MakesOfPiecesWhatExtractMakesOfTheWhole) {
  for (const auto step : {std::uint64_t{100'003}, std::uint64_t{1} << 30}) {
    auto out = arriving_extract{plan_, dir_ / "v", pool_};
    ASSERT_TRUE(succeeds(out.open()));
    for (auto part = 0u; part < 2; ++part)
      for (auto at = std::uint64_t{0}; at < size(part); at += step)
        take(out, part, at, std::min(at + step, size(part)));
    ASSERT_TRUE(succeeds(out.finish({})));
    EXPECT_TRUE(is_as_extracted());
    fs::remove_all(dir_ / "v");
  }
}

TEST_F(ArrivingExtract, AnotherGoesOnAndWhatComesAgainReplacesWhatWasThere) {
  const auto half = size(0) / 2;
  {
    auto out = arriving_extract{plan_, dir_ / "v", pool_};
    ASSERT_TRUE(succeeds(out.open()));
    take(out, 1, 0, size(1));
    take(out, 0, 0, half);
    ASSERT_TRUE(succeeds(out.sync()));
  }
  const auto layer = dir_ / "v/layers/layer_00.weights";
  test::overwrite(layer, fs::file_size(layer) / 2, "wrong");
  auto out = arriving_extract{plan_, dir_ / "v", pool_};
  ASSERT_TRUE(succeeds(out.open()));
  take(out, 0, half, size(0));
  ASSERT_TRUE(succeeds(out.finish({})));
  EXPECT_FALSE(is_as_extracted());
  take(out, 0, 0, size(0));
  take(out, 1, 0, size(1));
  ASSERT_TRUE(succeeds(out.finish({})));
  EXPECT_TRUE(is_as_extracted());
}

} // namespace
} // namespace larql::import
