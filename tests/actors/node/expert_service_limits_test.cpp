// Mirrors actors/node/expert_service.hpp: how large its answers become.

#include "tests/actors/node/expert_calls.hpp"

namespace larql::actors {
namespace {

using quant::encoding;
using test::changeable_call;
using test::decoded;
using test::served;
using test::tiny_vindex;

// An answer of max_rows rows must fit a frame even when every sum needs eight bytes; encode() ends
// the process otherwise.
TEST(ExpertServiceLimits, TheLargestAnswerOfAWideModelFitsAFrame) {
  auto o = test::all_in(encoding::f32);
  o.layers = 1;
  o.period = 0;
  o.hidden = 4096;
  o.dense_width = 32;
  o.vocab = 16;
  o.experts = 1;
  o.top_k = 1;
  o.expert_width = 32;
  const auto model = tiny_vindex{o};
  auto service = served{model, {{0, 0}, {0, 0}}};
  const auto rows = service.self().max_rows;
  EXPECT_LT(rows, schema::max_call_rows);
  const auto frame_bytes = [&](std::uint64_t n) {
    return schema::frame_header_bytes + n * (o.hidden * 8 + 1) + 4096;
  };
  EXPECT_LE(frame_bytes(rows), schema::max_frame_bytes);
  EXPECT_GT(frame_bytes(rows + 2), schema::max_frame_bytes); // and no less than possible

  // Large inputs and weights, as only a hostile laptop sends them; 200 picks a row add up.
  auto c = changeable_call{};
  c.call.rows = rows;
  auto x = std::vector<float>(std::size_t{rows} * o.hidden, 30.0f);
  c.activations.assign(reinterpret_cast<const std::byte*>(x.data()),
                       reinterpret_cast<const std::byte*>(x.data() + x.size()));
  for (auto r = 0u; r < rows; ++r) {
    c.rows.push_back(r);
    c.experts.push_back(0);
    c.weights.push_back(200);
  }
  const auto a = service.run(c.finish());
  EXPECT_LE(a.frame.size(), schema::frame_header_bytes + schema::max_frame_bytes);
  EXPECT_TRUE(a.ok) << std::get<schema::call_failed>(decoded(a.frame)).text;
}

} // namespace
} // namespace larql::actors
