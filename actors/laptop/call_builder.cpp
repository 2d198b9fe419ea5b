#include "actors/laptop/call_builder.hpp"

#include "schema/codec.hpp"

#include <algorithm>
#include <limits>

namespace larql::actors {

namespace {

void append(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

} // namespace

void rows_of(std::span<const experts::assignment> assignments, std::vector<std::uint32_t>& rows) {
  rows.clear();
  for (const auto& p : assignments)
    rows.push_back(p.row);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
}

// One row, as in decoding, is sent from where it is; several are put together first.
void call_builder::gather(const kernels::activation_view& x, std::span<const std::uint32_t> rows,
                          schema::expert_call& call) {
  const auto blocks = x.cols / kernels::scale_block(x.format);
  const auto is_f32 = x.format == kernels::activation_format::f32;
  const auto values = [&](std::size_t r) {
    return is_f32 ? std::as_bytes(std::span{x.f32 + r * x.cols, x.cols})
                  : std::as_bytes(std::span{x.q + r * x.cols, x.cols});
  };
  const auto scales = [&](std::size_t r) {
    return is_f32 ? std::span<const std::byte>{}
                  : std::as_bytes(std::span{x.scale + r * x.scale_stride, blocks});
  };
  if (rows.size() == 1) {
    call.activations = values(rows[0]);
    call.scales = scales(rows[0]);
    return;
  }
  activations_.clear();
  scales_.clear();
  for (const auto r : rows) {
    append(activations_, values(r));
    append(scales_, scales(r));
  }
  call.activations = activations_;
  call.scales = scales_;
}

void call_builder::build(const call_terms& terms, const layer_job& job,
                         std::span<const experts::assignment> assignments,
                         std::span<const std::uint32_t> rows, std::vector<char>& frame) {
  pick_rows_.clear();
  pick_experts_.clear();
  pick_weights_.clear();
  for (const auto& p : assignments) {
    const auto at = std::lower_bound(rows.begin(), rows.end(), p.row) - rows.begin();
    pick_rows_.push_back(static_cast<std::uint32_t>(at));
    pick_experts_.push_back(static_cast<std::uint16_t>(p.expert));
    pick_weights_.push_back(p.weight);
  }
  auto call = schema::expert_call{};
  call.id = terms.id;
  call.direct = terms.direct;
  call.remaining_us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(
      terms.remaining.count(), 0, std::numeric_limits<std::uint32_t>::max()));
  call.whole_rows = terms.whole_rows;
  call.sums = terms.sums;
  call.layer = job.layer;
  call.rows = static_cast<std::uint32_t>(rows.size());
  call.format = job.rows.view().format;
  gather(job.rows.view(), rows, call);
  call.pick_rows = std::as_bytes(std::span{pick_rows_});
  call.pick_experts = std::as_bytes(std::span{pick_experts_});
  call.pick_weights = std::as_bytes(std::span{pick_weights_});
  call.piece_bytes = schema::answer_piece_bytes;
  frame.clear();
  schema::encode(call, frame);
}

} // namespace larql::actors
