// Mirrors runtime/import/located.hpp: a GGUF used from where it lies is the vindex that extract
// would make of it, bit by bit.

#include "runtime/import/located.hpp"

#include "runtime/experts/expert_compute.hpp"
#include "runtime/import/extract.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/locations.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/page_cache.hpp"
#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

namespace larql::import {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::fails;
using test::gguf_of;
using test::gguf_parts_of;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;

class Located : public testing::Test {
protected:
  void write(const tiny_options& o) { gguf_of(tiny_model{o}.checkpoint()).write(gguf_); }

  result<fs::path> locate() {
    LARQL_TRY(const auto source, open_gguf(gguf_));
    const auto dir = cache_ / source.identity();
    LARQL_TRY_VOID(make_located(source, dir, true, {}));
    return dir;
  }
  fs::path extracted() {
    const auto source = open_gguf(gguf_);
    EXPECT_TRUE(succeeds(source));
    test::extract_to(*source, dir_ / "x.vindex");
    return dir_ / "x.vindex";
  }

  test::temporary_directory dir_;
  fs::path gguf_ = dir_ / "model.gguf";
  fs::path cache_ = dir_ / "cache";
};

tiny_options with_q6k() {
  auto o = test::k_quant_options();
  o.gate_up = encoding::q6_k;
  o.dense_down = encoding::q6_k;
  o.embeddings = encoding::q6_k;
  o.attention = encoding::q4_k;
  return o;
}

TEST_F(Located, GivesTheBitsOfTheExtractedVindex) {
  auto apart = tiny_options{};
  apart.fused_gate_up = false;
  auto own_head = with_q6k();
  own_head.tied = false;
  auto uneven = with_q6k();
  uneven.fused_gate_up = false;
  uneven.up = encoding::q5_0;
  for (const auto& o :
       {tiny_options{}, test::mixed_options(), with_q6k(), own_head, apart, uneven,
        test::all_in(encoding::q8_0), test::all_in(encoding::bf16), test::all_in(encoding::mxfp4),
        test::all_in(encoding::iq3_xxs, test::k_quant_options())}) {
    write(o);
    const auto dir = locate();
    ASSERT_TRUE(succeeds(dir));
    const auto want = extracted();
    const auto ids = test::random_ids(12, o.vocab);
    EXPECT_EQ(test::logits_of(*dir, ids), test::logits_of(want, ids));
    // Names of the weights: what laptop and node compare.
    const auto config = vindex::read_index(want);
    EXPECT_EQ(*vindex::read_index(*dir), *config);
    EXPECT_EQ(*vindex::fingerprint(*dir, *config), *vindex::fingerprint(want, *config));
    const auto expected = vindex::read_checksums(want);
    const auto found = vindex::read_checksums(*dir);
    ASSERT_TRUE(succeeds(expected) && succeeds(found));
    ASSERT_EQ((*expected)->layers.size(), (*found)->layers.size());
    fs::remove_all(want);
  }
}

TEST_F(Located, NothingButSmallFilesIsWritten) {
  for (const auto& o : {test::all_in(encoding::q8_0), with_q6k()}) {
    write(o);
    const auto dir = locate();
    ASSERT_TRUE(succeeds(dir));
    auto bytes = std::uint64_t{0};
    for (const auto& f : fs::recursive_directory_iterator{*dir})
      bytes += f.is_regular_file() ? f.file_size() : 0;
    EXPECT_LT(bytes, fs::file_size(gguf_) / 4);
    for (const auto name :
         {vindex::attention_file, vindex::dense_file, vindex::embeddings_any_file})
      EXPECT_FALSE(fs::exists(*dir / name)) << name;
    EXPECT_FALSE(fs::exists(*dir / "layers"));
    // And a later call writes nothing at all.
    const auto before = test::read_tree(*dir);
    ASSERT_TRUE(succeeds(locate()));
    EXPECT_EQ(test::read_tree(*dir), before);
  }
}

TEST_F(Located, AFileThatWasMovedIsTheSameAndOneThatWasChangedIsNot) {
  write(test::all_in(encoding::q8_0));
  const auto dir = locate();
  ASSERT_TRUE(succeeds(dir));
  fs::create_directories(dir_ / "elsewhere");
  fs::rename(gguf_, dir_ / "elsewhere/renamed.gguf");
  gguf_ = dir_ / "elsewhere/renamed.gguf";
  const auto moved = locate();
  ASSERT_TRUE(succeeds(moved));
  EXPECT_EQ(*moved, *dir);
  EXPECT_TRUE(succeeds(test::running_model::open(*dir)));

  test::overwrite(gguf_, fs::file_size(gguf_) - 1, "x"); // the same file, another time
  EXPECT_TRUE(fails(test::running_model::open(*dir), errc::mismatch, {"renamed.gguf", "changed"}));
  const auto changed = locate();
  ASSERT_TRUE(succeeds(changed));
  EXPECT_NE(*changed, *dir);
}

TEST_F(Located, APulledFileStaysTheSameWhileBytesArrive) {
  write(with_q6k());
  const auto locate_pulled = [&](const located_options& options) -> result<fs::path> {
    LARQL_TRY(auto source, open_gguf(gguf_));
    source.parts[0].content = "sha";
    EXPECT_EQ(source.identity(), identity_of(std::vector<std::string>{"sha"}));
    const auto dir = cache_ / source.identity();
    LARQL_TRY_VOID(make_located(source, dir, false, options));
    return dir;
  };
  auto partly = located_options{};
  partly.here = vindex::presence{true, "", "hf://a/b", {}, {}, {{0, 2, 2, 3}}};
  const auto dir = locate_pulled(partly);
  ASSERT_TRUE(succeeds(dir));
  const auto config = *vindex::read_index(*dir);
  EXPECT_EQ(*vindex::read_presence(*dir, config), *partly.here);
  fs::last_write_time(gguf_, fs::file_time_type::clock::now());
  EXPECT_TRUE(succeeds(experts::expert_bank::open(*dir, config, {{0, 2}, {2, 3}})));
  // All of it has come.
  const auto later = locate_pulled({});
  ASSERT_TRUE(succeeds(later));
  EXPECT_EQ(*later, *dir);
  EXPECT_FALSE(vindex::read_presence(*dir, config)->sliced);
}

TEST_F(Located, ASplitFileIsUsedFromAllItsParts) {
  const auto model = tiny_model{with_q6k()};
  auto parts = gguf_parts_of(model, 3);
  for (auto n = std::size_t{0}; n < parts.size(); ++n)
    parts[n].write(dir_ / fmt::format("m-{:05}-of-00003.gguf", n + 1));
  gguf_ = dir_ / "m-00002-of-00003.gguf"; // any part stands for all
  const auto dir = locate();
  ASSERT_TRUE(succeeds(dir));
  const auto ids = test::random_ids(6, 128);
  EXPECT_EQ(test::logits_of(*dir, ids), test::logits_of(extracted(), ids));
}

TEST_F(Located, TextsComeWhenTheyAreNeeded) {
  auto w = gguf_of(tiny_model{tiny_options{}}.checkpoint());
  w.strings("tokenizer.ggml.tokens", {"<pad>", "<eos>", "<bos>", "<unk>", "a"})
      .strings("tokenizer.ggml.merges", {});
  w.write(gguf_);
  const auto without = open_gguf(gguf_, {.texts = false});
  ASSERT_TRUE(succeeds(without));
  EXPECT_TRUE(without->files.empty());
  const auto dir = cache_ / without->identity();
  ASSERT_TRUE(succeeds(make_located(*without, dir, false, {})));
  EXPECT_FALSE(*has_texts(dir, without->identity()));
  EXPECT_FALSE(fs::exists(dir / vindex::tokenizer_file));
  ASSERT_TRUE(succeeds(locate()));
  EXPECT_TRUE(*has_texts(dir, without->identity()));
  EXPECT_TRUE(fs::exists(dir / vindex::tokenizer_file));
  EXPECT_FALSE(*has_texts(dir, "another"));
}

TEST_F(Located, ManyAtOnceMakeOne) {
  write(with_q6k());
  auto made = std::vector<result<fs::path>>(4, result<fs::path>{fs::path{}});
  {
    auto threads = std::vector<std::jthread>{};
    for (auto i = 0u; i < made.size(); ++i)
      threads.emplace_back([&, i] {
        const auto source = open_gguf(gguf_);
        const auto dir = cache_ / source->identity();
        const auto ok = make_located(*source, dir, i % 2 == 0, {});
        made[i] = ok ? result<fs::path>{dir} : result<fs::path>{ok.error()};
      });
  }
  for (const auto& one : made)
    EXPECT_TRUE(succeeds(one));
  const auto ids = test::random_ids(6, 128);
  EXPECT_EQ(test::logits_of(*made[0], ids), test::logits_of(extracted(), ids));
}

TEST_F(Located, WeightsThatAreNoNumbersAreFoundWhenTheyAreUsedAsInAVindex) {
  auto m = tiny_model{test::all_in(encoding::f32)};
  const auto nan = std::nanf("");
  std::memcpy(m.bytes("layers.1.mlp.up_proj.weight").data() + 4000, &nan, 4);
  gguf_of(m.checkpoint()).write(gguf_);
  const auto dir = locate();
  ASSERT_TRUE(succeeds(dir));
  const auto running = test::running_model::open(*dir);
  ASSERT_TRUE(succeeds(running));
  EXPECT_TRUE(fails((*running)->logits(test::random_ids(3, 128)), errc::corrupt,
                    {gguf_.string(), "layer 1"}));
}

// Sixteen experts of 864 KB each: far apart compared with any read-ahead.
TEST_F(Located, OnlyPagesWithOwnedExpertsOfTheFileBecomeResident) {
  auto o = tiny_options{};
  o.layers = 2;
  o.experts = 16;
  o.expert_width = 288;
  write(o);
  auto dir = fs::path{};
  auto matrices =
      std::vector<std::pair<std::uint64_t, std::uint64_t>>{}; // of experts: where, bytes
  { // Pages that are mapped cannot be dropped.
    const auto source = open_gguf(gguf_);
    ASSERT_TRUE(succeeds(source));
    dir = cache_ / source->identity();
    ASSERT_TRUE(succeeds(make_located(*source, dir, false, {})));
    for (const auto& [key, t] : source->tensors)
      if (key.find(".experts.") != std::string::npos)
        matrices.emplace_back(t.offset, t.data.size());
  }
  if (!test::drop_pages(gguf_))
    GTEST_SKIP() << "this file system keeps pages in memory: " << gguf_;
  const auto config = *vindex::read_index(dir);
  const auto bank = experts::expert_bank::open(dir, config, {{0, 1}, {4, 7}});
  ASSERT_TRUE(succeeds(bank));
  ASSERT_TRUE(succeeds(bank->warm_up([](std::uint64_t) { return true; })));
  auto wanted = std::vector<bool>(test::resident_pages(gguf_).size());
  const auto page = test::page_bytes();
  for (const auto& [offset, bytes] : matrices) {
    const auto each = bytes / 16;
    for (auto p = (offset + 4 * each) / page; p <= (offset + 8 * each - 1) / page; ++p)
      wanted[p] = true;
  }
  const auto resident = test::resident_pages(gguf_);
  auto extra = std::vector<std::size_t>{};
  for (auto p = std::size_t{0}; p < resident.size(); ++p)
    if (resident[p] && !wanted[p])
      extra.push_back(p);
  EXPECT_TRUE(extra.empty()) << testing::PrintToString(extra) << " of others";
  EXPECT_EQ(bank->resident_bytes(), bank->owned_bytes());
}

} // namespace
} // namespace larql::import
