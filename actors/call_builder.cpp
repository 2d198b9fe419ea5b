#include "actors/call_builder.hpp"

#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

template <class T>
void append(std::vector<std::byte>& out, const T* p, std::size_t n) {
  const auto* bytes = reinterpret_cast<const std::byte*>(p);
  out.insert(out.end(), bytes, bytes + n * sizeof(T));
}

} // namespace

std::vector<std::uint32_t> rows_of(std::span<const experts::pick> picks) {
  auto rows = std::vector<std::uint32_t>{};
  rows.reserve(picks.size());
  for (const auto& p : picks)
    rows.push_back(p.row);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

std::vector<char> build_call(std::uint64_t id, const layer_job& job,
                             std::span<const experts::pick> picks,
                             std::span<const std::uint32_t> rows) {
  const auto x = job.rows.view();
  const auto blocks = x.cols / kernels::scale_block(x.format);
  auto activations = std::vector<std::byte>{};
  auto scales = std::vector<std::byte>{};
  for (const auto r : rows) {
    if (x.format == kernels::activation_format::f32) {
      append(activations, x.f32 + std::size_t{r} * x.cols, x.cols);
    } else {
      append(activations, x.q + std::size_t{r} * x.cols, x.cols);
      append(scales, x.scale + r * x.scale_stride, blocks);
    }
  }
  auto pick_rows = std::vector<std::uint32_t>{};
  auto pick_experts = std::vector<std::uint16_t>{};
  auto pick_weights = std::vector<float>{};
  for (const auto& p : picks) {
    const auto at = std::lower_bound(rows.begin(), rows.end(), p.row) - rows.begin();
    pick_rows.push_back(static_cast<std::uint32_t>(at));
    pick_experts.push_back(static_cast<std::uint16_t>(p.expert));
    pick_weights.push_back(p.weight);
  }
  auto call = schema::expert_call{};
  call.id = id;
  call.layer = job.layer;
  call.rows = static_cast<std::uint32_t>(rows.size());
  call.format = x.format;
  call.activations = activations;
  call.scales = scales;
  call.pick_rows = std::as_bytes(std::span{pick_rows});
  call.pick_experts = std::as_bytes(std::span{pick_experts});
  call.pick_weights = std::as_bytes(std::span{pick_weights});
  auto frame = std::vector<char>{};
  schema::encode(call, frame);
  return frame;
}

} // namespace larql::actors
