// Factors beside matrices: a scaled matrix gives what a matrix of scaled numbers gives. Factors
// that are powers of two, so that both are exact.

#include "runtime/import/extract.hpp"
#include "runtime/quant/half.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace larql::import {
namespace {

using quant::encoding;
using test::fails;
using test::succeeds;
using test::tiny_model;
using test::tiny_options;
using vindex::quant_kind;

constexpr const char* dense_matrices[] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

// 0.5, 2, 0.5 …
float factor_of(std::size_t i) {
  return i % 2 == 0 ? 0.5f : 2.0f;
}

class Scales : public testing::Test {
protected:
  // Every matrix of layers 0 and 2 gets a factor; in `baked` its numbers are multiplied instead.
  void prepare(const tiny_options& o) {
    plain_ = tiny_model{o};
    scaled_ = tiny_model{o};
    baked_ = tiny_model{o};
    for (const auto l : {0, 2}) {
      for (auto i = std::size_t{0}; i < std::size(dense_matrices); ++i) {
        const auto key = fmt::format("layers.{}.{}", l, dense_matrices[i]);
        if (baked_.checkpoint().tensors.contains(key + ".weight"))
          scale(key, key + ".weight", {factor_of(i)});
      }
      auto each = std::vector<float>{};
      for (auto e = 0u; e < o.experts; ++e)
        each.push_back(factor_of(e / 3));
      for (const auto* name : {"gate_proj", "up_proj"}) {
        const auto key = fmt::format("layers.{}.experts.{}", l, name);
        scale(key, key, each);
      }
    }
  }

  void scale(const std::string& key, const std::string& matrix, const std::vector<float>& factors) {
    scaled_.set(key + ".scale", {factors.size()}, factors);
    const auto& t = baked_.checkpoint().tensors.at(matrix);
    const auto bytes = baked_.bytes(matrix);
    const auto each = bytes.size() / factors.size();
    for (auto f = std::size_t{0}; f < factors.size(); ++f)
      multiply(t.format, bytes.subspan(f * each, each), factors[f]);
  }

  static void multiply(encoding e, std::span<std::byte> bytes, float factor) {
    if (e == encoding::f32) {
      for (auto at = std::size_t{0}; at < bytes.size(); at += 4) {
        auto x = 0.0f;
        std::memcpy(&x, bytes.data() + at, 4);
        x *= factor;
        std::memcpy(bytes.data() + at, &x, 4);
      }
      return;
    }
    ASSERT_EQ(e, encoding::q8_0); // the factor of a block comes first
    for (auto at = std::size_t{0}; at < bytes.size(); at += 34) {
      auto half = std::uint16_t{0};
      std::memcpy(&half, bytes.data() + at, 2);
      half = quant::float_to_half(quant::half_to_float(half) * factor);
      std::memcpy(bytes.data() + at, &half, 2);
    }
  }

  std::vector<float> logits(const tiny_model& m, const char* name, quant_kind quant) {
    const auto path = dir_ / fmt::format("{}-{}", name, static_cast<int>(quant));
    test::extract_to(m.checkpoint(), path, quant);
    return test::logits_of(path, test::random_ids(12, m.checkpoint().config.vocab));
  }

  test::temporary_directory dir_;
  tiny_model plain_{tiny_options{}};
  tiny_model scaled_{tiny_options{}};
  tiny_model baked_{tiny_options{}};
};

tiny_options apart(encoding e) {
  auto o = test::all_in(e);
  o.fused_gate_up = false;
  return o;
}

TEST_F(Scales, AreAppliedToEveryProductWithTheirMatrix) {
  for (const auto e : {encoding::f32, encoding::q8_0}) {
    SCOPED_TRACE(quant::name_of(e));
    prepare(apart(e));
    const auto name = std::string{quant::name_of(e)};
    const auto want = logits(baked_, (name + "-baked").c_str(), quant_kind::lossless);
    EXPECT_EQ(logits(scaled_, (name + "-scaled").c_str(), quant_kind::lossless), want);
    EXPECT_NE(logits(plain_, (name + "-plain").c_str(), quant_kind::lossless), want);
  }
}

TEST_F(Scales, AreMultipliedIntoNumbersThatAreRoundedAnew) {
  prepare(apart(encoding::f32));
  EXPECT_EQ(logits(scaled_, "scaled", quant_kind::q4k), logits(baked_, "baked", quant_kind::q4k));
  // Nothing is left beside the matrices: the reference would not know it.
  const auto manifest =
      test::read_file(dir_ / fmt::format("scaled-{}/{}", static_cast<int>(quant_kind::q4k),
                                         vindex::weight_manifest_file));
  EXPECT_EQ(manifest.find("proj.scale"), std::string::npos);
}

TEST_F(Scales, OfAnotherShapeAreRefused) {
  auto pool = compute_pool{1};
  for (const auto quant : {quant_kind::lossless, quant_kind::q4k}) {
    auto o = extract_options{};
    o.quant = quant;
    auto m = tiny_model{apart(encoding::f32)};
    m.set("layers.1.mlp.up_proj.scale", {2}, std::vector<float>{1, 1});
    EXPECT_TRUE(fails(extract(m.checkpoint(), dir_ / "x", pool, o), errc::mismatch,
                      {"layers.1.mlp.up_proj.scale", "[2]", "[1]"}));
    m = tiny_model{apart(encoding::f32)};
    m.set("layers.1.experts.up_proj.scale", {1}, std::vector<float>{1});
    EXPECT_TRUE(fails(extract(m.checkpoint(), dir_ / "x", pool, o), errc::mismatch,
                      {"layers.1.experts.up_proj.scale", "[1]", "[8]"}));
  }
}

TEST_F(Scales, ThatAreNoNumbersAreNamed) {
  auto m = tiny_model{apart(encoding::f32)};
  m.set("layers.1.mlp.up_proj.scale", {1}, std::vector<float>{std::nanf("")});
  test::extract_to(m.checkpoint(), dir_ / "dense");
  EXPECT_TRUE(fails(test::running_model::open(dir_ / "dense"), errc::corrupt,
                    {"layers.1.mlp.up_proj.scale", "nan"}));
  m = tiny_model{apart(encoding::f32)};
  m.set("layers.1.experts.up_proj.scale", {8}, std::vector<float>(8, INFINITY));
  test::extract_to(m.checkpoint(), dir_ / "experts");
  EXPECT_TRUE(fails(test::running_model::open(dir_ / "experts"), errc::corrupt,
                    {"layers.1.experts.up_proj.scale", "inf"}));
}

} // namespace
} // namespace larql::import
