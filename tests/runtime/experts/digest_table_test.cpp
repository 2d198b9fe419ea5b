// Mirrors runtime/experts/digest_table.hpp: a GGUF's experts have the digests of its vindex's.

#include "runtime/experts/digest_table.hpp"

#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/located.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/gguf_writer.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace larql::experts {
namespace {

namespace fs = std::filesystem;
using quant::encoding;
using test::fails;
using test::succeeds;

class DigestTable : public testing::Test {
protected:
  // Q6_K, which is stored in another order, and gate and up apart.
  void SetUp() override {
    auto o = test::k_quant_options();
    o.gate_up = encoding::q6_k;
    o.fused_gate_up = false;
    test::gguf_of(test::tiny_model{o}.checkpoint()).write(dir_ / "m.gguf");
    const auto source = import::open_gguf(dir_ / "m.gguf");
    ASSERT_TRUE(succeeds(source));
    config_ = source->config;
    test::extract_to(*source, dir_ / "x.vindex");
    want_ = **vindex::read_checksums(dir_ / "x.vindex");
    ASSERT_TRUE(succeeds(import::make_located(*source, located(), true, {})));
  }
  [[nodiscard]] fs::path located() const { return dir_ / "located"; }
  [[nodiscard]] vindex::checksums found() const { return **vindex::read_checksums(located()); }

  test::temporary_directory dir_;
  vindex::model_config config_;
  vindex::checksums want_;
};

TEST_F(DigestTable, IsThatOfTheExtractedVindex) {
  EXPECT_EQ(vindex::weights_digest(found()), "");
  const auto sums = add_digests(located(), config_, vindex::everything(config_), {});
  ASSERT_TRUE(succeeds(sums));
  for (const auto& [layer, l] : want_.layers) {
    EXPECT_EQ(sums->layers.at(layer).experts, l.experts) << layer;
  }
  EXPECT_EQ(vindex::weights_digest(*sums), vindex::weights_digest(want_));
  EXPECT_EQ(found(), *sums); // kept
}

TEST_F(DigestTable, OfAPartIsEnoughForTheDigestOfThatPart) {
  const auto part = vindex::expert_block{0, 2, 2, 5};
  EXPECT_FALSE(vindex::range_digest(found(), part));
  const auto sums = add_digests(located(), config_, part, {});
  ASSERT_TRUE(succeeds(sums));
  ASSERT_TRUE(vindex::range_digest(*sums, part));
  EXPECT_EQ(*vindex::range_digest(*sums, part), *vindex::range_digest(want_, part));
  EXPECT_NE(*vindex::range_digest(want_, part), *vindex::range_digest(want_, {0, 2, 2, 4}));
  EXPECT_FALSE(vindex::range_digest(*sums, {0, 2, 1, 5}));
  EXPECT_FALSE(vindex::range_digest(want_, {0, 3, 2, 5})); // there is no layer 3
  EXPECT_FALSE(vindex::range_digest(want_, {0, 2, 2, 8}));
}

TEST_F(DigestTable, AStoppedOneKeepsWhatItFoundAndGoesOn) {
  auto reads = 0;
  EXPECT_TRUE(fails(add_digests(located(), config_, vindex::everything(config_),
                                [&](std::uint64_t, std::uint64_t) { return ++reads < 20; }),
                    errc::cancelled, {"stopped"}));
  auto known = 0;
  for (const auto& [layer, l] : found().layers)
    known += static_cast<int>(std::count_if(l.experts.begin(), l.experts.end(),
                                            [](const auto& e) { return e.has_value(); }));
  EXPECT_GT(known, 3);
  EXPECT_LT(known, 24);
  auto left = std::uint64_t{0};
  const auto sums = add_digests(located(), config_, vindex::everything(config_),
                                [&](std::uint64_t, std::uint64_t total) {
                                  left = total;
                                  return true;
                                });
  ASSERT_TRUE(succeeds(sums));
  EXPECT_EQ(vindex::weights_digest(*sums), vindex::weights_digest(want_));
  const auto each =
      quant::row_bytes(encoding::q6_k, 256) * 512 + quant::row_bytes(encoding::q4_k, 256) * 256;
  EXPECT_EQ(left, static_cast<std::uint64_t>(24 - known) * each);
}

TEST_F(DigestTable, SeveralAtOnceAddToOneTable) {
  {
    auto threads = std::vector<std::jthread>{};
    for (auto e = 0u; e < 8; e += 2)
      threads.emplace_back([&, e] {
        EXPECT_TRUE(succeeds(add_digests(located(), config_, {0, 2, e, e + 1}, {})));
      });
  }
  EXPECT_EQ(vindex::weights_digest(found()), vindex::weights_digest(want_));
}

TEST_F(DigestTable, NothingIsReadOrWrittenWhereAllIsKnown) {
  const auto sums = add_digests(dir_ / "x.vindex", config_, vindex::everything(config_),
                                [](std::uint64_t, std::uint64_t) {
                                  ADD_FAILURE() << "read";
                                  return true;
                                });
  ASSERT_TRUE(succeeds(sums));
  EXPECT_EQ(*sums, want_);
}

TEST_F(DigestTable, AVindexWithoutChecksumsStaysWithout) {
  fs::remove(dir_ / "x.vindex/checksums.json");
  const auto sums = add_digests(dir_ / "x.vindex", config_, vindex::everything(config_), {});
  ASSERT_TRUE(succeeds(sums));
  EXPECT_TRUE(sums->layers.empty());
  EXPECT_FALSE(fs::exists(dir_ / "x.vindex/checksums.json"));
}

} // namespace
} // namespace larql::experts
