// Mirrors runtime/vindex/vindex.hpp: a vindex of the reference, written by an independent writer,
// loads, holds the values that its description says, and gives the logits that the same weights
// give in other forms.

#include "tests/runtime/vindex/reference_writer.hpp"

#include "runtime/experts/expert_bank.hpp"
#include "runtime/quant/blocks.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::vindex {
namespace {

using quant::encoding;
using test::reference_content;
using test::reference_matrix;
using test::succeeds;
using shape = test::reference_shape;

class ReferenceVindex : public testing::Test {
protected:
  ReferenceVindex() : content_(test::reference_writer{dir_.path()}.write()) {}

  // The same model for our own writer: numbers and vectors equal, matrices still to come.
  test::tiny_model same_model(std::uint32_t dense, std::uint32_t width) const {
    auto o = test::tiny_options{};
    o.layers = shape::layers;
    o.period = 2;
    o.hidden = shape::hidden;
    o.dense_width = dense;
    o.vocab = shape::vocab;
    o.q_heads = shape::q_heads;
    o.kv_heads = shape::kv_heads(0), o.global_kv_heads = shape::kv_heads(1);
    o.head_dim = shape::dim(0), o.global_head_dim = shape::dim(1);
    o.window = shape::window;
    o.experts = o.top_k = shape::experts;
    o.expert_width = width;
    auto out = test::tiny_model{o};
    out.checkpoint().config.embed_scale = 16;
    for (const auto& [key, values] : content_.vectors) {
      auto s = std::vector<std::uint64_t>{values.size()};
      if (key.ends_with("router.proj.weight"))
        s = {shape::experts, shape::hidden};
      out.set(key, s, values);
    }
    out.set("embed_tokens.weight", {shape::vocab, shape::hidden}, content_.embeddings);
    return out;
  }

  test::temporary_directory dir_;
  reference_content content_;
};

void expect_values(const quant::matrix_view& got, const reference_matrix& want) {
  ASSERT_EQ(got.rows, want.rows);
  ASSERT_EQ(got.cols, want.stored_cols);
  EXPECT_EQ(quant::name_of(got.format), want.format);
  auto row = std::vector<float>(got.cols);
  for (auto r = 0u; r < got.rows; ++r) {
    quant::dequantize_row(got.format, got.row(r), got.cols, row.data());
    for (auto c = 0u; c < got.cols; ++c) {
      const auto x = c < want.cols ? want.values[std::size_t{r} * want.cols + c] : 0.0f;
      // Two roundings here, one there, of terms up to about 1.
      ASSERT_NEAR(row[c], x, 2e-7) << "row " << r << " column " << c;
    }
  }
}

TEST_F(ReferenceVindex, EveryMatrixHoldsTheValuesOfItsDescription) {
  const auto config = read_index(dir_.path());
  ASSERT_TRUE(succeeds(config));
  const auto w = dense_weights::open(dir_.path(), *config);
  ASSERT_TRUE(succeeds(w));
  const auto bank = experts::expert_bank::open(dir_.path(), *config, {{0, 1}, {0, 3}});
  ASSERT_TRUE(succeeds(bank));
  for (auto l = 0u; l < shape::layers; ++l) {
    const auto of = [&](const char* name) -> const reference_matrix& {
      return content_.matrices.at(fmt::format("layers.{}.{}", l, name));
    };
    const auto& t = w->layers[l];
    expect_values(t.q, of("self_attn.q_proj.weight"));
    expect_values(t.k, of("self_attn.k_proj.weight"));
    expect_values(t.v, of("self_attn.v_proj.weight"));
    expect_values(t.o, of("self_attn.o_proj.weight"));
    expect_values(t.gate, of("mlp.gate_proj.weight"));
    expect_values(t.up, of("mlp.up_proj.weight"));
    expect_values(t.down, of("mlp.down_proj.weight"));
    for (auto e = 0u; e < shape::experts; ++e) {
      const auto x = bank->get(l, e);
      auto both = x.gate;
      both.rows *= 2; // up lies directly behind gate
      EXPECT_EQ(x.up.data, both.row(shape::width));
      expect_values(both, of(fmt::format("{}.gate_up", e).c_str()));
      expect_values(x.down, of(fmt::format("{}.down", e).c_str()));
    }
  }
  EXPECT_EQ(w->embeddings.format, encoding::f16);
  EXPECT_EQ(w->head.data, w->embeddings.data);
}

encoding encoding_of(const reference_matrix& m) {
  return m.format == "Q4_K" ? encoding::q4_k : encoding::q6_k;
}

// The blocks as they are, without the padding of short rows: a checkpoint has whole blocks, so the
// widths grow to 256 and the rows that padding stood for become rows of zeros.
void set_blocks(test::tiny_model& model, const std::string& key, const reference_matrix& m,
                std::uint32_t rows) {
  const auto e = encoding_of(m);
  auto data = std::vector<std::byte>(rows * quant::row_bytes(e, m.stored_cols));
  std::memcpy(data.data(), m.data.data(), m.data.size());
  model.set(key, e, {rows, m.stored_cols}, data);
}

TEST_F(ReferenceVindex, LogitsEqualThoseOfTheSameBlocksImportedLosslessly) {
  auto model = same_model(256, 256);
  for (auto l = 0u; l < shape::layers; ++l) {
    const auto key = [&](const char* name) { return fmt::format("layers.{}.{}", l, name); };
    for (const auto* name : {"q", "k", "v", "o"}) {
      const auto k = fmt::format("layers.{}.self_attn.{}_proj.weight", l, name);
      set_blocks(model, k, content_.matrices.at(k), content_.matrices.at(k).rows);
    }
    for (const auto& [name, rows] :
         {std::pair{"mlp.gate_proj.weight", 256u}, std::pair{"mlp.up_proj.weight", 256u},
          std::pair{"mlp.down_proj.weight", shape::hidden}})
      set_blocks(model, key(name), content_.matrices.at(key(name)), rows);
    auto gate_up = std::vector<std::byte>{}, down = std::vector<std::byte>{};
    for (auto e = 0u; e < shape::experts; ++e) {
      const auto& g = content_.matrices.at(fmt::format("layers.{}.{}.gate_up", l, e));
      const auto& d = content_.matrices.at(fmt::format("layers.{}.{}.down", l, e));
      const auto half = g.data.size() / 2;
      const auto whole = std::size_t{256} * 144; // 256 rows of one block
      for (const auto part : {0, 1}) {
        const auto at = gate_up.size();
        gate_up.resize(at + whole);
        std::memcpy(gate_up.data() + at, g.data.data() + half * part, half);
      }
      const auto* p = reinterpret_cast<const std::byte*>(d.data.data());
      down.insert(down.end(), p, p + d.data.size());
    }
    model.set(key("experts.gate_up_proj"), encoding::q4_k, {shape::experts, 512, 256}, gate_up);
    model.set(key("experts.down_proj"), encoding::q4_k, {shape::experts, shape::hidden, 256}, down);
  }
  const auto v = test::tiny_vindex{model};
  const auto ids = test::random_ids(20, shape::vocab);
  for (const auto level : kernels::simd_levels()) {
    auto run = test::run_options{};
    run.simd = level;
    EXPECT_EQ(test::logits_of(dir_.path(), ids, run), test::logits_of(v.path(), ids, run))
        << name_of(level);
  }
}

TEST_F(ReferenceVindex, LogitsAreThoseOfTheDequantisedWeightsWithinTheRoundingOfInputs) {
  auto model = same_model(shape::dense, shape::width);
  for (auto l = 0u; l < shape::layers; ++l) {
    for (const auto* name :
         {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight",
          "self_attn.o_proj.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight",
          "mlp.down_proj.weight"}) {
      const auto key = fmt::format("layers.{}.{}", l, name);
      const auto& m = content_.matrices.at(key);
      model.set(key, {m.rows, m.cols}, m.values);
    }
    auto gate_up = std::vector<float>{}, down = std::vector<float>{};
    for (auto e = 0u; e < shape::experts; ++e) {
      const auto& g = content_.matrices.at(fmt::format("layers.{}.{}.gate_up", l, e)).values;
      const auto& d = content_.matrices.at(fmt::format("layers.{}.{}.down", l, e)).values;
      gate_up.insert(gate_up.end(), g.begin(), g.end());
      down.insert(down.end(), d.begin(), d.end());
    }
    model.set(fmt::format("layers.{}.experts.gate_up_proj", l),
              {shape::experts, 2 * shape::width, shape::hidden}, gate_up);
    model.set(fmt::format("layers.{}.experts.down_proj", l),
              {shape::experts, shape::hidden, shape::width}, down);
  }
  const auto v = test::tiny_vindex{model};
  const auto ids = test::random_ids(20, shape::vocab);
  const auto quantised = test::logits_of(dir_.path(), ids);
  const auto exact = test::logits_of(v.path(), ids);
  auto error = 0.0, power = 0.0;
  for (auto i = std::size_t{0}; i < exact.size(); ++i) {
    error += std::pow(double{quantised[i]} - exact[i], 2);
    power += std::pow(double{exact[i]}, 2);
  }
  // Only the inputs of products are rounded differently: to 8 bits in blocks whose largest value is
  // about 3 deviations, so each rounding adds a relative error of 3/127/sqrt(12) = 0.7 %. A row
  // meets at most 7 of them one after another per layer (q and k each, o, gate and up, down), whose
  // squares add: sqrt(14) * 0.7 % = 2.6 %. Twice that leaves room for attention and gates, which
  // react more than linearly.
  EXPECT_LT(std::sqrt(error / power), 0.052);
  EXPECT_GT(std::sqrt(error / power), 1e-4); // two different paths, indeed
}

} // namespace
} // namespace larql::vindex
