#include "runtime/import/source_bytes.hpp"

#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::import {

namespace {

using vindex::expert_block;

interval place_of(const piece& p) {
  const auto row = quant::row_bytes(p.tensor->format, p.tensor->cols());
  const auto begin = p.tensor->offset + p.first_row * row;
  return {begin, begin + p.rows * row};
}

bool is_held(const piece& p, std::span<const interval_set> held) {
  return held[p.tensor->part].contains(interval_set{place_of(p)});
}

// The expert that a piece of a layer file belongs to.
std::uint32_t expert_of(const output_file& f, std::size_t piece) {
  return static_cast<std::uint32_t>(piece / (f.pieces.size() / f.experts));
}

// Adds a layer's run of experts; one that the layer before has as well makes its block larger.
void add_run(std::vector<expert_block>& to, std::uint32_t layer, std::uint32_t first,
             std::uint32_t last) {
  for (auto& b : to)
    if (b.first_expert == first && b.last_expert == last && b.last_layer + 1 == layer) {
      b.last_layer = layer;
      return;
    }
  to.push_back({layer, layer, first, last});
}

void add_layer(std::vector<expert_block>& to, const output_file& f,
               std::span<const interval_set> held) {
  auto here = std::vector<bool>(f.experts, true);
  for (auto i = std::size_t{0}; i < f.pieces.size(); ++i)
    if (!is_held(f.pieces[i], held))
      here[expert_of(f, i)] = false;
  for (auto e = 0u; e < f.experts; ++e) {
    const auto first = e;
    while (e < f.experts && here[e])
      ++e;
    if (e != first)
      add_run(to, *f.layer, first, e - 1);
  }
}

} // namespace

std::vector<interval_set> needed_bytes(const extract_plan& plan, std::size_t parts,
                                       const source_needs& needs) {
  auto out = std::vector<interval_set>(parts);
  for (const auto& f : plan.files)
    for (auto i = std::size_t{0}; i < f.pieces.size(); ++i) {
      const auto wanted = f.layer ? std::any_of(needs.experts.begin(), needs.experts.end(),
                                                [&](const expert_block& b) {
                                                  return b.contains(*f.layer, expert_of(f, i));
                                                })
                                  : needs.dense || f.name == vindex::norms_file;
      if (wanted)
        out[f.pieces[i].tensor->part].add(place_of(f.pieces[i]));
    }
  return out;
}

available_numbers available_in(const extract_plan& plan, std::span<const interval_set> held) {
  auto out = available_numbers{true, {}};
  for (const auto& f : plan.files)
    if (f.layer)
      add_layer(out.experts, f, held);
    else
      out.dense = out.dense && std::all_of(f.pieces.begin(), f.pieces.end(),
                                           [&](const piece& p) { return is_held(p, held); });
  return out;
}

} // namespace larql::import
