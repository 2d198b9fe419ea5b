// Mirrors actors/node/expert_service.hpp: what it computes are the bits of local experts, and
// whatever is wrong with a call becomes an answer that names the field.

#include "actors/node/expert_service.hpp"

#include "actors/laptop/call_builder.hpp"
#include "runtime/experts/local_experts.hpp"
#include "schema/sums.hpp"
#include "tests/actors/node/expert_calls.hpp"
#include "tests/support/expert_batches.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace larql::actors {
namespace {

using experts::ownership;
using quant::encoding;
using test::changeable_call;
using test::compute_with;
using test::decoded;
using test::served;
using test::tiny_options;
using test::tiny_vindex;

constexpr auto name_of_format = [](encoding e) { return std::string{quant::name_of(e)}; };

/// A batch as the forward pass makes it: every row names top_k experts.
struct batch {
  batch(const vindex::model_config& c, std::uint32_t rows, std::uint64_t seed) : config(c) {
    auto random = test::random_source{seed};
    x = test::random_floats(random, std::size_t{rows} * c.hidden);
    for (auto r = 0u; r < rows; ++r) {
      auto all = std::vector<std::uint16_t>(c.experts);
      for (auto e = 0u; e < c.experts; ++e)
        all[e] = static_cast<std::uint16_t>(e);
      for (auto k = 0u; k < c.top_k; ++k) {
        std::swap(all[k], all[k + random.below(c.experts - k)]);
        ids.push_back(all[k]);
        weights.push_back(random.uniform(0, 1));
      }
    }
    row_count = rows;
    experts::assignments_by_expert(ids, weights, c.top_k, assignments);
  }
  [[nodiscard]] experts::expert_batch view(std::uint32_t layer) const {
    return {layer, row_count, config.hidden, x, assignments};
  }

  const vindex::model_config& config;
  std::uint32_t row_count;
  std::vector<float> x;
  std::vector<std::uint16_t> ids;
  std::vector<float> weights;
  std::vector<experts::assignment> assignments;
};

std::vector<float> local_answer(const tiny_vindex& model, const experts::expert_batch& b) {
  const auto& c = model.config();
  auto pool = compute_pool{1};
  const auto bank =
      experts::expert_bank::open(model.path(), c, {{0, c.layers - 1}, {0, c.experts - 1}});
  auto port = experts::local_experts{compute_with(pool), *bank};
  const auto sums = test::sums_of(port, b);
  EXPECT_TRUE(test::succeeds(sums));
  auto out = std::vector<float>(sums->size());
  compute_with(pool).k.fixed_to_float(sums->data(), out.size(), out.data());
  return out;
}

/// What services give that share the experts: rows rounded once, calls encoded, answers added.
std::vector<float> served_answer(std::vector<std::unique_ptr<served>>& services,
                                 const experts::expert_batch& b,
                                 std::optional<quant::activation_format> as = std::nullopt) {
  const auto& k = **kernels::kernels_by_name("");
  auto sums = std::vector<std::int64_t>(std::size_t{b.rows} * b.hidden, 0);
  for (auto& s : services) {
    const auto& owned = s->self().owned;
    if (!owned.layers.contains(b.layer))
      continue;
    auto job = layer_job{};
    job.layer = b.layer;
    job.hidden = b.hidden;
    job.row_count = b.rows;
    job.rows.reset(as.value_or(s->self().formats[b.layer - owned.layers.first]), b.rows, b.hidden);
    for (auto r = 0u; r < b.rows; ++r)
      job.rows.set_row(k, r, b.x.subspan(std::size_t{r} * b.hidden, b.hidden));
    auto mine = std::vector<experts::assignment>{};
    for (const auto& p : b.assignments)
      if (owned.contains(b.layer, p.expert))
        mine.push_back(p);
    if (mine.empty())
      continue;
    auto rows = std::vector<std::uint32_t>{};
    rows_of(mine, rows);
    auto frame = std::vector<char>{};
    call_builder{}.build({.id = 7}, job, mine, rows, frame);
    const auto body = std::vector<char>(frame.begin() + schema::frame_header_bytes, frame.end());
    const auto a = s->run(std::get<schema::expert_call>(*schema::decode(body)));
    const auto m = decoded(a.frame);
    const auto* r = std::get_if<schema::expert_result>(&m);
    if (r == nullptr) {
      ADD_FAILURE() << std::get<schema::call_failed>(m).text;
      return {};
    }
    EXPECT_EQ(r->id, 7u);
    EXPECT_EQ(r->incarnation, 99u);
    EXPECT_TRUE(test::succeeds(schema::check_sums(r->widths, r->sums, rows.size(), b.hidden)));
    auto at = r->sums;
    for (auto i = std::size_t{0}; i < rows.size(); ++i) {
      const auto width = static_cast<std::uint8_t>(r->widths[i]);
      schema::add_packed(at.first(b.hidden * width), width,
                         std::span{sums}.subspan(std::size_t{rows[i]} * b.hidden, b.hidden));
      at = at.subspan(b.hidden * width);
    }
  }
  auto out = std::vector<float>(sums.size());
  k.fixed_to_float(sums.data(), sums.size(), out.data());
  return out;
}

// ---- bits ---------------------------------------------------------------------------------------

class ExpertServiceBits : public testing::TestWithParam<encoding> {};

TEST_P(ExpertServiceBits, AreThoseOfLocalExpertsHoweverTheExpertsAreShared) {
  const auto model = tiny_vindex{test::all_in(GetParam(), test::k_quant_options())};
  const auto& c = model.config();
  const auto last = c.experts - 1;
  const std::vector<std::vector<ownership>> splits = {
      {{{0, c.layers - 1}, {0, last}}},
      {{{0, c.layers - 1}, {0, 2}}, {{0, c.layers - 1}, {3, last}}},
      {{{0, c.layers - 1}, {0, 0}},
       {{0, c.layers - 1}, {1, last - 1}},
       {{0, c.layers - 1}, {last, last}}},
      {{{0, 0}, {0, last}}, {{1, c.layers - 1}, {0, last}}},
  };
  for (const auto& split : splits) {
    auto services = std::vector<std::unique_ptr<served>>{};
    for (const auto& owned : split)
      services.push_back(std::make_unique<served>(model, owned));
    for (const auto rows : {1u, 5u, 40u})
      for (auto l = 0u; l < c.layers; ++l) {
        const auto b = batch{c, rows, rows * 10 + l};
        const auto expected = local_answer(model, b.view(l));
        EXPECT_EQ(served_answer(services, b.view(l)), expected)
            << split.size() << " services, " << rows << " rows, layer " << l;
        EXPECT_EQ(served_answer(services, b.view(l), quant::activation_format::f32), expected)
            << "rounded by " << split.size() << " services, " << rows << " rows, layer " << l;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(AllActivationFormats, ExpertServiceBits,
                         testing::Values(encoding::f32, encoding::bf16, encoding::q8_0,
                                         encoding::q4_k, encoding::q6_k),
                         [](const auto& i) { return name_of_format(i.param); });

TEST(ExpertServiceOfMixedExperts, GivesTheBitsOfLocalExpertsWhereGateAndUpRoundARowDifferently) {
  auto o = test::k_quant_options();
  o.fused_gate_up = false;
  o.gate_up = encoding::q4_k, o.up = encoding::q5_0;
  const auto model = tiny_vindex{o};
  const auto& c = model.config();
  auto services = std::vector<std::unique_ptr<served>>{};
  for (const auto range : {experts::index_range{0, 2}, experts::index_range{3, c.experts - 1}})
    services.push_back(std::make_unique<served>(model, ownership{{0, c.layers - 1}, range}));
  EXPECT_EQ(services.front()->self().formats, std::vector(c.layers, quant::activation_format::f32));
  for (const auto rows : {1u, 5u, 40u}) {
    const auto b = batch{c, rows, rows};
    EXPECT_EQ(served_answer(services, b.view(1)), local_answer(model, b.view(1))) << rows;
  }
}

// ---- refusals -----------------------------------------------------------------------------------

class ExpertService : public testing::Test {
protected:
  // Layer 1 of layers 1 to 2, experts 2 to 5; activations rounded in blocks of 32.
  static changeable_call good_call(quant::activation_format f = quant::activation_format::q8_32) {
    auto out = changeable_call{};
    out.call.id = 5;
    out.call.layer = 1;
    out.call.rows = 2;
    out.call.format = f;
    if (f == quant::activation_format::f32) {
      out.activations.resize(2 * 256 * 4, std::byte{0});
    } else {
      out.activations.resize(2 * 256, std::byte{3});
      const auto scale = 0.25f;
      for (auto i = 0u; i < 2 * 256 / kernels::scale_block(f); ++i) {
        out.scales.resize(out.scales.size() + 4);
        std::memcpy(out.scales.data() + out.scales.size() - 4, &scale, 4);
      }
    }
    out.rows = {0, 1, 1};
    out.experts = {2, 3, 5};
    out.weights = {0.5f, -1, 2};
    return out;
  }

  static tiny_options options() { return test::all_in(encoding::q8_0); }

  template <class F>
  std::string refusal_after(F change) {
    auto c = good_call();
    change(c);
    return service.refusal_of(c.finish());
  }

  tiny_vindex model{options()};
  served service{model, {{1, 2}, {2, 5}}};
};

using call_t = changeable_call;
constexpr auto nan = std::numeric_limits<float>::quiet_NaN();
constexpr auto infinity = std::numeric_limits<float>::infinity();

void set_scale(call_t& c, std::size_t i, float x) {
  std::memcpy(c.scales.data() + 4 * i, &x, 4);
}

TEST_F(ExpertService, AnswersAGoodCall) {
  EXPECT_EQ(refusal_after([](call_t&) {}), "result");
}

TEST_F(ExpertService, RefusesLayersAndExpertsItDoesNotOwn) {
  const auto not_mine = [](std::uint32_t l) {
    return fmt::format("not owner: call: layer {} is not mine, I own layers 1-2", l);
  };
  for (const auto l : {0u, 3u, ~0u})
    EXPECT_EQ(refusal_after([&](call_t& c) { c.call.layer = l; }), not_mine(l));
  EXPECT_EQ(refusal_after([](call_t& c) { c.experts[0] = 1; }),
            "not owner: call: expert 1 is not mine, I own experts 2-5");
  EXPECT_EQ(refusal_after([](call_t& c) { c.experts[2] = 6; }),
            "not owner: call: expert 6 is not mine, I own experts 2-5");
  EXPECT_EQ(refusal_after([](call_t& c) { c.experts[2] = 65535; }),
            "not owner: call: expert 65535 is not mine, I own experts 2-5");
}

TEST_F(ExpertService, RefusesCountsThatDisagree) {
  EXPECT_EQ(refusal_after([](call_t& c) { c.call.rows = 0; }),
            "bad call: call: rows is 0, expected 1 to 4096");
  EXPECT_EQ(refusal_after([](call_t& c) { c.call.rows = 4097; }),
            "bad call: call: rows is 4097, expected 1 to 4096");
  EXPECT_EQ(refusal_after([](call_t& c) { c.call.rows = ~0u; }),
            "bad call: call: rows is 4294967295, expected 1 to 4096");
  EXPECT_EQ(refusal_after([](call_t& c) { c.call.rows = 3; }),
            "bad call: call: activations has 512 bytes, expected 768");
  EXPECT_EQ(refusal_after([](call_t& c) { c.activations.pop_back(); }),
            "bad call: call: activations has 511 bytes, expected 512");
  EXPECT_EQ(refusal_after([](call_t& c) { c.activations.clear(); }),
            "bad call: call: activations has 0 bytes, expected 512");
  EXPECT_EQ(refusal_after([](call_t& c) { c.scales.pop_back(); }),
            "bad call: call: scales has 63 bytes, expected 64");
  EXPECT_EQ(refusal_after([](call_t& c) { c.scales.resize(68); }),
            "bad call: call: scales has 68 bytes, expected 64");
  EXPECT_EQ(refusal_after([](call_t& c) { c.rows.pop_back(); }),
            "bad call: call: picks have 8 bytes of rows, 6 of experts and 12 of weights");
  EXPECT_EQ(refusal_after([](call_t& c) { c.experts.pop_back(); }),
            "bad call: call: picks have 12 bytes of rows, 4 of experts and 12 of weights");
  EXPECT_EQ(refusal_after([](call_t& c) { c.weights.push_back(1); }),
            "bad call: call: picks have 12 bytes of rows, 6 of experts and 16 of weights");
  EXPECT_EQ(refusal_after([](call_t& c) {
              c.rows.clear();
              c.experts.clear();
              c.weights.clear();
            }),
            "bad call: call: picks are 0, expected 1 to 512");
  EXPECT_EQ(refusal_after([](call_t& c) {
              c.rows.resize(513);
              c.experts.resize(513);
              c.weights.resize(513);
            }),
            "bad call: call: picks are 513, expected 1 to 512");
  auto odd = good_call();
  odd.finish();
  odd.call.pick_rows = odd.call.pick_rows.first(11);
  EXPECT_EQ(service.refusal_of(odd.call),
            "bad call: call: picks have 11 bytes of rows, 6 of experts and 12 of weights");
}

TEST_F(ExpertService, RefusesAnotherFormatThanTheLayers) {
  EXPECT_EQ(service.refusal_of(good_call(quant::activation_format::q8_256).finish()),
            "bad call: call: format is 2, layer 1 takes 1 or 0");
  EXPECT_EQ(service.refusal_of(good_call(quant::activation_format::f32).finish()), "result");
}

TEST_F(ExpertService, RefusesNumbersThatAreNone) {
  EXPECT_EQ(refusal_after([](call_t& c) { set_scale(c, 15, nan); }),
            "bad call: call: scales row 1 holds nan");
  EXPECT_EQ(refusal_after([](call_t& c) { set_scale(c, 0, infinity); }),
            "bad call: call: scales row 0 holds inf");
  EXPECT_EQ(refusal_after([](call_t& c) { set_scale(c, 8, -1); }),
            "bad call: call: scales row 1 holds -1");
  EXPECT_EQ(refusal_after([](call_t& c) { c.activations[300] = std::byte{0x80}; }),
            "bad call: call: activations row 1 holds -128");
  EXPECT_EQ(refusal_after([](call_t& c) { c.weights[1] = nan; }),
            "bad call: call: pickWeights [1] is nan");
  EXPECT_EQ(refusal_after([](call_t& c) { c.weights[2] = -infinity; }),
            "bad call: call: pickWeights [2] is -inf");
}

TEST_F(ExpertService, RefusesActivationsThatAreNotFinite) {
  const auto plain = tiny_vindex{test::all_in(encoding::f32)};
  auto f32_service = served{plain, {{1, 2}, {2, 5}}};
  for (const auto x : {nan, infinity, -infinity}) {
    auto c = good_call(quant::activation_format::f32);
    std::memcpy(c.activations.data() + 4 * 400, &x, 4);
    EXPECT_EQ(f32_service.refusal_of(c.finish()),
              fmt::format("bad call: call: activations row 1 holds {}", x));
  }
  EXPECT_EQ(f32_service.refusal_of(good_call(quant::activation_format::f32).finish()), "result");
}

TEST_F(ExpertService, RefusesPicksOutOfRangeOrOrder) {
  EXPECT_EQ(refusal_after([](call_t& c) { c.rows[1] = 2; }),
            "bad call: call: pickRows [1] is 2, the call has 2 rows");
  EXPECT_EQ(refusal_after([](call_t& c) { c.rows[0] = ~0u; }),
            "bad call: call: pickRows [0] is 4294967295, the call has 2 rows");
  EXPECT_EQ(refusal_after([](call_t& c) {
              c.experts = {3, 2, 5};
            }),
            "bad call: call: pickExperts [1] is 2 after 3");
  EXPECT_EQ(refusal_after([](call_t& c) {
              c.rows.assign(257, 1);
              c.experts.assign(257, 3);
              c.weights.assign(257, 1);
            }),
            "bad call: call: pickRows name row 1 more than 256 times");
}

TEST_F(ExpertService, AnswersNumbersThatOverflowWithAnInternalFailure) {
  const auto text = refusal_after([](call_t& c) {
    for (auto i = std::size_t{0}; i < 16; ++i)
      set_scale(c, i, 1e30f);
  });
  EXPECT_TRUE(text.starts_with("internal: layer 1, experts 2 to 5: ")) << text;
  EXPECT_EQ(refusal_after([](call_t& c) { c.weights[0] = 3e38f; }).substr(0, 9), "internal:");
  EXPECT_EQ(refusal_after([](call_t&) {}), "result"); // and goes on
}

TEST_F(ExpertService, SaysHowLongACallWaitedBeforeItsKernelsBegan) {
  auto c = good_call();
  const auto answer = service.run(c.finish(), std::chrono::milliseconds{10});
  const auto m = decoded(answer.frame);
  ASSERT_TRUE(std::holds_alternative<schema::expert_result>(m));
  EXPECT_GE(std::get<schema::expert_result>(m).queue_ns, 10'000'000u);
}

TEST_F(ExpertService, ComputesOnceAndAnswersInPiecesIfTheCallSaysSo) {
  auto c = good_call();
  const auto whole = service.run(c.finish()).frame;
  EXPECT_EQ(schema::frame_bytes(whole), whole.size());
  c.call.piece_bytes = 1; // a row each
  const auto a = service.run(c.finish());
  EXPECT_TRUE(a.ok);
  const auto first = schema::frame_bytes(a.frame);
  ASSERT_LT(first, a.frame.size());
  const auto m = decoded({a.frame.begin(), a.frame.begin() + static_cast<std::ptrdiff_t>(first)});
  const auto& piece = std::get<schema::expert_result>(m);
  EXPECT_EQ(piece.rows, 1u);
  EXPECT_EQ(piece.call_rows, 2u);
}

TEST_F(ExpertService, SurvivesCallsOfRandomFields) {
  auto random = test::random_source{11};
  auto refused = 0;
  for (auto i = 0; i < 3000; ++i) {
    auto c = good_call();
    for (auto n = 1 + random.below(3); n != 0; --n)
      switch (random.below(7)) {
      case 0: c.call.rows = random.below(6); break;
      case 1: c.call.layer = random.below(4); break;
      case 2: c.activations[random.below(512)] = static_cast<std::byte>(random.bits()); break;
      case 3: c.scales[random.below(64)] = static_cast<std::byte>(random.bits()); break;
      case 4: c.rows[random.below(3)] = random.below(4); break;
      case 5: c.experts[random.below(3)] = static_cast<std::uint16_t>(random.below(8)); break;
      default: {
        const auto bits = static_cast<std::uint32_t>(random.bits());
        std::memcpy(&c.weights[random.below(3)], &bits, 4);
      }
      }
    refused += service.refusal_of(c.finish()) == "result" ? 0 : 1;
  }
  EXPECT_GT(refused, 300);
  EXPECT_LT(refused, 2900);
}

// ---- description --------------------------------------------------------------------------------

TEST_F(ExpertService, DescribesWhatItOwns) {
  const auto& d = service.self();
  EXPECT_EQ(d.node, "alpha");
  EXPECT_EQ(d.incarnation, 99u);
  EXPECT_EQ(d.model.layers, 3u);
  EXPECT_EQ(d.model.hidden, 256u);
  EXPECT_EQ(d.model.experts, 8u);
  EXPECT_EQ(d.model.expert_width, 96u);
  EXPECT_EQ(d.owned, (ownership{{1, 2}, {2, 5}}));
  EXPECT_EQ(d.formats, std::vector(2, quant::activation_format::q8_32));
  EXPECT_EQ(d.max_rows, schema::max_call_rows);
}

} // namespace
} // namespace larql::actors
