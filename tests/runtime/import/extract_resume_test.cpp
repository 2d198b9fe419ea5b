// Mirrors runtime/import/extract.hpp: runs that stop and go on. The result is the same to the byte,
// and nothing that was finished is made again.

#include "runtime/import/extract.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using test::fails;
using test::succeeds;
using test::tiny_model;
using vindex::quant_kind;

test::tiny_options small() {
  auto o = test::tiny_options{};
  o.layers = 2;
  o.period = 2;
  o.vocab = 32;
  o.dense_width = 32;
  o.expert_width = 32;
  o.experts = 3;
  o.head_dim = o.global_head_dim = 64;
  return o;
}

class ExtractResume : public testing::TestWithParam<quant_kind> {
protected:
  result<void> run(extract_options o = {}) {
    o.quant = GetParam();
    return extract(model_.checkpoint(), out_, pool_, o);
  }

  // Stops at the n-th progress call; returns what the calls said.
  struct stopped {
    bool cancelled = false;
    std::size_t calls = 0;
    extract_progress first{}, last{};
  };
  stopped run_until(std::size_t n) {
    auto out = stopped{};
    auto o = extract_options{};
    o.on_progress = [&](const extract_progress& p) {
      if (out.calls == 0)
        out.first = p;
      out.last = p;
      return ++out.calls != n;
    };
    const auto ok = run(o);
    out.cancelled = !ok;
    if (!ok) {
      EXPECT_TRUE(fails(ok, errc::cancelled, {"the same command goes on"}));
    }
    return out;
  }

  test::file_tree uninterrupted() {
    const auto other = dir_ / "whole.vindex";
    auto o = extract_options{};
    o.quant = GetParam();
    EXPECT_TRUE(succeeds(extract(model_.checkpoint(), other, pool_, o)));
    return test::read_tree(other);
  }

  compute_pool pool_{1};
  test::temporary_directory dir_;
  fs::path out_ = dir_ / "x.vindex";
  fs::path partial_ = dir_ / "x.vindex.partial";
  tiny_model model_{small()};
};

INSTANTIATE_TEST_SUITE_P(Kinds, ExtractResume,
                         testing::Values(quant_kind::lossless, quant_kind::q4k), [](const auto& p) {
                           return std::string{p.param == quant_kind::q4k ? "Q4K" : "Lossless"};
                         });

TEST_P(ExtractResume, AfterAStopAtAnyProgressCallTheResultIsTheSame) {
  const auto want = uninterrupted();
  auto stops = 0, kept = 0;
  for (auto n = std::size_t{1};; ++n) {
    SCOPED_TRACE(n);
    const auto first = run_until(n);
    if (!first.cancelled)
      break;
    ++stops;
    ASSERT_FALSE(fs::exists(out_));
    // Before the first file was finished there is nothing to go on with.
    ASSERT_EQ(fs::exists(partial_), kept > 0 || fs::exists(partial_ / "norms.bin"));
    kept += fs::exists(partial_);
    ASSERT_TRUE(succeeds(run()));
    ASSERT_EQ(test::read_tree(out_), want);
    ASSERT_FALSE(fs::exists(partial_));
    fs::remove_all(out_);
  }
  EXPECT_GT(stops, 30);
  EXPECT_GT(kept, 10);
}

TEST_P(ExtractResume, AfterAStopAtEveryCallOneAfterTheOtherTheResultIsTheSame) {
  // Each run gets one call further than the last file boundary, so all of them together finish.
  const auto want = uninterrupted();
  auto runs = 0;
  for (auto n = std::size_t{1}; run_until(n).cancelled; ++n)
    ASSERT_LT(++runs, 1000);
  EXPECT_GT(runs, 5);
  EXPECT_EQ(test::read_tree(out_), want);
}

TEST_P(ExtractResume, FinishedFilesAreTakenOver) {
  const auto first = run_until(45);
  ASSERT_TRUE(first.cancelled);
  EXPECT_EQ(first.first.resumed_bytes, 0u);
  const auto second = run_until(~std::size_t{0});
  EXPECT_FALSE(second.cancelled);
  EXPECT_GT(second.first.resumed_bytes, 0u);
  EXPECT_LE(second.first.resumed_bytes, first.last.done_bytes);
  EXPECT_LT(second.calls, first.calls); // most of the work was done
  EXPECT_EQ(second.last.done_bytes, second.last.total_bytes);
  EXPECT_EQ(second.last.total_bytes, first.last.total_bytes);
}

TEST_P(ExtractResume, ProgressRisesToTheTotal) {
  auto last = std::uint64_t{0};
  auto o = extract_options{};
  o.on_progress = [&](const extract_progress& p) {
    EXPECT_GT(p.done_bytes, last);
    EXPECT_LE(p.done_bytes, p.total_bytes);
    EXPECT_FALSE(p.file.empty());
    last = p.done_bytes;
    return true;
  };
  ASSERT_TRUE(succeeds(run(o)));
  auto total = std::uint64_t{0};
  for (const auto& [name, content] : test::read_tree(out_))
    if (!name.ends_with(".json"))
      total += content.size();
  EXPECT_EQ(last, total);
}

TEST_P(ExtractResume, AHalfWrittenFileOfAKilledRunGoes) {
  const auto want = uninterrupted();
  ASSERT_TRUE(run_until(45).cancelled);
  // A kill leaves the temporary file of the file that was being written.
  test::write_file(partial_ / ".interleaved_q4k.bin.0123456789abcdef.tmp",
                   std::string(1 << 20, 'x'));
  test::write_file(partial_ / ".index.json.fedcba9876543210.tmp", "{\"version\":");
  ASSERT_TRUE(succeeds(run()));
  EXPECT_EQ(test::read_tree(out_), want);
}

TEST_P(ExtractResume, AFinishedFileOfAnotherSizeIsMadeAgain) {
  const auto want = uninterrupted();
  ASSERT_TRUE(run_until(45).cancelled);
  ASSERT_TRUE(fs::exists(partial_ / "norms.bin"));
  test::set_file_size(partial_ / "norms.bin", 100);
  ASSERT_TRUE(succeeds(run()));
  EXPECT_EQ(test::read_tree(out_), want);
}

TEST_P(ExtractResume, AChangedSourceStartsAgainIfForced) {
  ASSERT_TRUE(run_until(45).cancelled);
  auto o = small();
  o.seed = 2;
  model_ = tiny_model{o}; // with a fingerprint of its own
  const auto want = uninterrupted();
  EXPECT_TRUE(fails(run(), errc::usage, {partial_.string(), "another source", "--force"}));
  auto force = extract_options{};
  force.force = true;
  force.on_progress = [](const extract_progress& p) {
    EXPECT_EQ(p.resumed_bytes, 0u);
    return true;
  };
  ASSERT_TRUE(succeeds(run(force)));
  EXPECT_EQ(test::read_tree(out_), want);
}

TEST_P(ExtractResume, AnotherEncodingStartsAgainIfForced) {
  ASSERT_TRUE(run_until(45).cancelled);
  const auto want = uninterrupted();
  auto o = extract_options{};
  o.quant = GetParam() == quant_kind::q4k ? quant_kind::lossless : quant_kind::q4k;
  EXPECT_TRUE(fails(extract(model_.checkpoint(), out_, pool_, o), errc::usage, {"other options"}));
  o.force = true;
  ASSERT_TRUE(succeeds(extract(model_.checkpoint(), out_, pool_, o)));
  EXPECT_NE(test::read_tree(out_), want);
}

TEST_P(ExtractResume, ADamagedStateStartsAgainIfForced) {
  const auto want = uninterrupted();
  for (const auto* state : {"", "not json", "{\"version\":0}"}) {
    test::write_file(partial_ / ".unfinished.json", state);
    test::write_file(partial_ / "norms.bin", "left over");
    EXPECT_TRUE(fails(run(), errc::usage, {"--force"}));
    auto o = extract_options{};
    o.force = true;
    ASSERT_TRUE(succeeds(run(o)));
    EXPECT_EQ(test::read_tree(out_), want);
    fs::remove_all(out_);
  }
}

TEST_P(ExtractResume, AFileOfSomebodyElseInAPartialDirectoryStays) {
  ASSERT_TRUE(run_until(45).cancelled);
  test::write_file(partial_ / "mine.txt", "precious");
  auto o = extract_options{};
  o.force = true;
  EXPECT_TRUE(fails(run(o), errc::usage, {partial_.string(), "mine.txt"}));
  EXPECT_EQ(test::read_file(partial_ / "mine.txt"), "precious");
}

} // namespace
} // namespace larql::import
