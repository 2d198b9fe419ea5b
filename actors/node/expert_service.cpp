#include "actors/node/expert_service.hpp"

#include "actors/net/model_match.hpp"
#include "runtime/vindex/format.hpp"
#include "schema/answer_pieces.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace larql::actors {

namespace {

using quant::activation_format;

template <class T>
T number_at(std::span<const std::byte> data, std::size_t i) {
  T x;
  std::memcpy(&x, data.data() + i * sizeof(T), sizeof(T));
  return x;
}

failure bad(std::string_view field, std::string_view what) {
  return fail(errc::usage, "call: {} {}", field, what);
}

std::uint64_t nanoseconds(std::chrono::steady_clock::duration d) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(d).count());
}

} // namespace

expert_service::expert_service(kernels::compute compute, const experts::expert_bank& bank,
                               schema::node_description self)
    : compute_(compute), bank_(bank), self_(std::move(self)), compute_experts_(compute, bank) {}

expert_service::answer expert_service::run(const schema::expert_call& call,
                                           std::chrono::steady_clock::time_point arrived,
                                           std::vector<char> into) {
  into.clear();
  const auto refuse = [&](schema::failure_code code, const std::string& text) {
    schema::encode(schema::call_failed{call.id, self_.incarnation, code, text}, into);
    return answer{std::move(into), false, {}};
  };
  auto code = schema::failure_code::bad_call;
  if (const auto ok = prepare(call, code); !ok)
    return refuse(code, ok.error().text);
  const auto started = std::chrono::steady_clock::now();
  const auto ok = compute(call);
  compute_.pool.rest(); // the next call is a layer of the laptop away
  if (!ok)
    return refuse(schema::failure_code::internal, ok.error().text);
  auto out = schema::expert_result{};
  out.id = call.id;
  out.incarnation = self_.incarnation;
  out.rows = call.rows;
  widths_.clear();
  packed_.clear();
  schema::pack_sums(sums_, self_.model.hidden, call.sums, widths_, packed_);
  out.widths = widths_;
  out.sums = packed_;
  out.queue_ns = nanoseconds(started - arrived);
  out.compute_ns = nanoseconds(std::chrono::steady_clock::now() - started);
  auto done = work_of(call);
  done.compute_time = std::chrono::nanoseconds{out.compute_ns};
  schema::encode_in_pieces(out, self_.model.hidden, call.piece_bytes, into);
  return {std::move(into), true, done};
}

// Takes a call's rows and assignments over, checked. `code` says what kind of failure it is.
result<void> expert_service::prepare(const schema::expert_call& call, schema::failure_code& code) {
  code = schema::failure_code::bad_call;
  if (!self_.owned.layers.contains(call.layer)) {
    code = schema::failure_code::not_owner;
    return fail(errc::mismatch, "call: layer {} is not mine, I own layers {}", call.layer,
                to_string(self_.owned.layers));
  }
  LARQL_TRY_VOID(check(call));
  LARQL_TRY_VOID(load_rows(call));
  auto assignments = load_assignments(call);
  if (!assignments && assignments.error().code == errc::mismatch)
    code = schema::failure_code::not_owner;
  return assignments;
}

// Assignments ascend by expert.
expert_service::work expert_service::work_of(const schema::expert_call& call) const {
  auto out = work{};
  out.layer = call.layer;
  out.rows = call.rows;
  out.expert_rows = assignments_.size();
  for (auto i = std::size_t{0}; i < assignments_.size(); ++i)
    out.experts += i == 0 || assignments_[i].expert != assignments_[i - 1].expert;
  return out;
}

// Sizes first: everything later indexes by them.
result<void> expert_service::check(const schema::expert_call& call) const {
  if (call.rows == 0 || call.rows > self_.max_rows)
    return bad("rows", fmt::format("is {}, expected 1 to {}", call.rows, self_.max_rows));
  const auto wanted = self_.formats[call.layer - self_.owned.layers.first];
  if (call.format != wanted && call.format != activation_format::f32)
    return bad("format", fmt::format("is {}, layer {} takes {} or 0", static_cast<int>(call.format),
                                     call.layer, static_cast<int>(wanted)));
  const auto block = kernels::scale_block(call.format);
  const auto stored = (std::uint64_t{self_.model.hidden} + block - 1) / block * block;
  const auto is_f32 = call.format == activation_format::f32;
  const auto activation_bytes = call.rows * stored * (is_f32 ? 4 : 1);
  if (call.activations.size() != activation_bytes)
    return bad("activations",
               fmt::format("has {} bytes, expected {}", call.activations.size(), activation_bytes));
  const auto scale_bytes = is_f32 ? 0 : call.rows * (stored / block) * 4;
  if (call.scales.size() != scale_bytes)
    return bad("scales", fmt::format("has {} bytes, expected {}", call.scales.size(), scale_bytes));
  const auto assignments = call.pick_rows.size() / 4;
  if (call.pick_rows.size() % 4 != 0 || call.pick_experts.size() != assignments * 2 ||
      call.pick_weights.size() != assignments * 4)
    return bad("picks", fmt::format("have {} bytes of rows, {} of experts and {} of weights",
                                    call.pick_rows.size(), call.pick_experts.size(),
                                    call.pick_weights.size()));
  if (assignments == 0 || assignments > std::uint64_t{call.rows} * vindex::max_top_k)
    return bad("picks", fmt::format("are {}, expected 1 to {}", assignments,
                                    std::uint64_t{call.rows} * vindex::max_top_k));
  return {};
}

result<void> expert_service::load_rows(const schema::expert_call& call) {
  const auto block = kernels::scale_block(call.format);
  const auto stored = (self_.model.hidden + block - 1) / block * block;
  if (call.format == activation_format::f32) {
    // Rounded here by the rule that the laptop would have applied.
    rows_.reset(self_.formats[call.layer - self_.owned.layers.first], call.rows,
                self_.model.hidden);
    row_.resize(self_.model.hidden);
    for (auto r = 0u; r < call.rows; ++r) {
      std::memcpy(row_.data(), call.activations.data() + r * std::size_t{stored} * 4,
                  row_.size() * 4);
      for (const auto x : row_)
        if (!std::isfinite(x))
          return bad("activations", fmt::format("row {} holds {}", r, x));
      rows_.set_row(compute_.k, r, row_);
    }
    return {};
  }
  rows_.reset(call.format, call.rows, self_.model.hidden, stored);
  const auto blocks = stored / block;
  row_.resize(blocks);
  for (auto r = 0u; r < call.rows; ++r) {
    std::memcpy(row_.data(), call.scales.data() + r * std::size_t{blocks} * 4, blocks * 4);
    for (const auto s : row_)
      if (!std::isfinite(s) || s < 0)
        return bad("scales", fmt::format("row {} holds {}", r, s));
    const auto* q =
        reinterpret_cast<const std::int8_t*>(call.activations.data()) + r * std::size_t{stored};
    // -128 is outside the symmetric range that the kernels' 16-bit sums are sized for.
    for (auto i = 0u; i < stored; ++i)
      if (q[i] == -128)
        return bad("activations", fmt::format("row {} holds -128", r));
    rows_.set_row_q8(r, {q, stored}, row_);
  }
  return {};
}

result<void> expert_service::load_assignments(const schema::expert_call& call) {
  const auto n = call.pick_rows.size() / 4;
  assignments_.clear();
  assignments_per_row_.assign(call.rows, 0);
  for (auto i = std::size_t{0}; i < n; ++i) {
    const auto p = experts::assignment{number_at<std::uint32_t>(call.pick_rows, i),
                                       number_at<std::uint16_t>(call.pick_experts, i),
                                       number_at<float>(call.pick_weights, i)};
    if (p.row >= call.rows)
      return bad("pickRows", fmt::format("[{}] is {}, the call has {} rows", i, p.row, call.rows));
    if (!self_.owned.experts.contains(p.expert))
      return fail(errc::mismatch, "call: expert {} is not mine, I own experts {}", p.expert,
                  to_string(self_.owned.experts));
    if (i > 0 && p.expert < assignments_.back().expert)
      return bad("pickExperts",
                 fmt::format("[{}] is {} after {}", i, p.expert, assignments_.back().expert));
    if (!std::isfinite(p.weight))
      return bad("pickWeights", fmt::format("[{}] is {}", i, p.weight));
    // The fixed-point sum has room for this many terms.
    if (++assignments_per_row_[p.row] > vindex::max_top_k)
      return bad("pickRows",
                 fmt::format("name row {} more than {} times", p.row, vindex::max_top_k));
    assignments_.push_back(p);
  }
  return {};
}

result<void> expert_service::compute(const schema::expert_call& call) {
  sums_.assign(std::size_t{call.rows} * self_.model.hidden, 0);
  return compute_experts_.run(call.layer, rows_.view(), assignments_, sums_);
}

schema::node_description describe(const vindex::model_config& model,
                                  const experts::expert_bank& bank,
                                  const vindex::weights_names& weights, std::string name,
                                  std::uint64_t incarnation) {
  auto out = schema::node_description{};
  out.node = std::move(name);
  out.incarnation = incarnation;
  out.model = identity_of(model, weights);
  out.owned = bank.owned();
  // A call of so many rows has an answer that fits a frame, whatever its sums are.
  constexpr auto header_bytes = std::uint32_t{4096};
  out.max_rows = std::min(schema::max_call_rows,
                          (schema::max_frame_bytes - header_bytes) /
                              (model.hidden * std::uint32_t{schema::max_sum_width} + 1));
  for (auto l = out.owned.layers.first; l <= out.owned.layers.last; ++l)
    out.formats.push_back(bank.input_format(l));
  return out;
}

} // namespace larql::actors
