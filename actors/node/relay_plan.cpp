#include "actors/node/relay_plan.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

namespace larql::actors {

namespace {

template <class T>
T number_at(std::span<const std::byte> data, std::size_t i) {
  T x;
  std::memcpy(&x, data.data() + i * sizeof(T), sizeof(T));
  return x;
}

template <class T>
void append(std::vector<std::byte>& out, T x) {
  const auto bytes = std::as_bytes(std::span{&x, 1});
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Row r of `rows` rows of equal size.
void append_row(std::vector<std::byte>& out, std::span<const std::byte> all, std::uint32_t rows,
                std::uint32_t r) {
  const auto bytes = all.size() / rows;
  const auto row = all.subspan(r * bytes, bytes);
  out.insert(out.end(), row.begin(), row.end());
}

bool are_picks_whole(const schema::expert_call& call) {
  const auto n = call.pick_experts.size() / 2;
  return n != 0 && call.pick_experts.size() % 2 == 0 && call.pick_rows.size() == n * 4 &&
         call.pick_weights.size() == n * 4;
}

} // namespace

bool needs_others(const schema::expert_call& call, const experts::ownership& owned) {
  if (!are_picks_whole(call))
    return false;
  for (auto i = std::size_t{0}; i < call.pick_experts.size() / 2; ++i)
    if (!owned.contains(call.layer, number_at<std::uint16_t>(call.pick_experts, i)))
      return true;
  return false;
}

result<std::vector<experts::assignment>> picks_of(const schema::expert_call& call) {
  if (call.rows == 0 || call.activations.size() % call.rows != 0 ||
      call.scales.size() % call.rows != 0)
    return fail(errc::usage, "call: {} rows do not divide {} bytes of activations and {} of scales",
                call.rows, call.activations.size(), call.scales.size());
  if (!are_picks_whole(call))
    return fail(errc::usage, "call: picks have {} bytes of rows, {} of experts and {} of weights",
                call.pick_rows.size(), call.pick_experts.size(), call.pick_weights.size());
  auto out = std::vector<experts::assignment>(call.pick_experts.size() / 2);
  for (auto i = std::size_t{0}; i < out.size(); ++i) {
    out[i] = {number_at<std::uint32_t>(call.pick_rows, i),
              number_at<std::uint16_t>(call.pick_experts, i),
              number_at<float>(call.pick_weights, i)};
    if (out[i].row >= call.rows)
      return fail(errc::usage, "call: pickRows [{}] is {}, the call has {} rows", i, out[i].row,
                  call.rows);
    if (i > 0 && out[i].expert < out[i - 1].expert)
      return fail(errc::usage, "call: pickExperts [{}] is {} after {}", i, out[i].expert,
                  out[i - 1].expert);
  }
  return out;
}

relay_split split_picks(std::uint32_t layer, std::span<const experts::assignment> picks,
                        std::span<const owner_offer> owners) {
  auto out = relay_split{};
  auto part_of = std::vector<std::optional<std::size_t>>(owners.size());
  const auto choose = [&](std::uint32_t expert) {
    auto best = std::optional<std::size_t>{};
    for (auto i = std::size_t{0}; i < owners.size(); ++i) {
      if (owners[i].is_excluded || !owners[i].owned.contains(layer, expert))
        continue;
      if (part_of[i])
        return std::optional{i};
      if (owners[i].in_flight >= schema::call_window)
        out.is_crowded = true;
      else if (!best || owners[i].in_flight < owners[*best].in_flight)
        best = i;
    }
    return best;
  };
  auto chosen = std::optional<std::size_t>{};
  for (auto i = std::size_t{0}; i < picks.size(); ++i) {
    const auto expert = picks[i].expert;
    const auto is_new = i == 0 || picks[i - 1].expert != expert;
    if (is_new)
      chosen = choose(expert);
    if (!chosen) {
      if (is_new)
        out.missing.push_back(expert);
      continue;
    }
    auto& place = part_of[*chosen];
    if (!place) {
      place = out.parts.size();
      out.parts.push_back({*chosen, {}});
    }
    out.parts[*place].picks.push_back(picks[i]);
  }
  return out;
}

std::vector<std::uint32_t> rows_in(std::span<const experts::assignment> picks) {
  auto out = std::vector<std::uint32_t>{};
  out.reserve(picks.size());
  for (const auto& p : picks)
    out.push_back(p.row);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

schema::expert_call part_builder::make(const schema::expert_call& whole,
                                       std::span<const experts::assignment> picks,
                                       std::span<const std::uint32_t> rows) {
  for (auto* v : {&activations_, &scales_, &pick_rows_, &pick_experts_, &pick_weights_})
    v->clear();
  auto out = schema::expert_call{};
  out.layer = whole.layer;
  out.rows = static_cast<std::uint32_t>(rows.size());
  out.format = whole.format;
  if (rows.size() == whole.rows) {
    out.activations = whole.activations;
    out.scales = whole.scales;
  } else {
    for (const auto r : rows) {
      append_row(activations_, whole.activations, whole.rows, r);
      append_row(scales_, whole.scales, whole.rows, r);
    }
    out.activations = activations_;
    out.scales = scales_;
  }
  for (const auto& p : picks) {
    const auto at = std::lower_bound(rows.begin(), rows.end(), p.row) - rows.begin();
    append(pick_rows_, static_cast<std::uint32_t>(at));
    append(pick_experts_, static_cast<std::uint16_t>(p.expert));
    append(pick_weights_, p.weight);
  }
  out.pick_rows = pick_rows_;
  out.pick_experts = pick_experts_;
  out.pick_weights = pick_weights_;
  out.direct = true;
  return out;
}

} // namespace larql::actors
