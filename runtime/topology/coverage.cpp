#include "runtime/topology/coverage.hpp"

#include <algorithm>

namespace larql::topology {

namespace {

using experts::index_range;

// The rows of one layer.
std::vector<coverage_row> rows_of_layer(std::span<const coverage_part> parts, std::uint32_t layer,
                                        std::uint32_t experts) {
  auto out = std::vector<coverage_row>{};
  for (auto e = 0u; e < experts; ++e) {
    auto owners = std::vector<std::string>{};
    for (const auto& p : parts)
      if (p.owned.contains(layer, e))
        owners.push_back(p.name);
    if (!out.empty() && out.back().owners == owners)
      out.back().area.experts.last = e;
    else
      out.push_back({{{layer, layer}, {e, e}}, std::move(owners)});
  }
  return out;
}

bool same_cuts(const std::vector<coverage_row>& a, std::span<const coverage_row> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const coverage_row& x, const coverage_row& y) {
                      return x.area.experts == y.area.experts && x.owners == y.owners;
                    });
}

result<void> check_inside(std::span<const coverage_part> parts, std::uint32_t experts) {
  for (const auto& p : parts)
    if (p.owned.experts.last >= experts)
      return fail(errc::usage, "{}: experts {}: the model has experts 0-{}", p.name,
                  to_string(p.owned.experts), experts - 1);
  return {};
}

} // namespace

std::string list_of(std::span<const std::uint32_t> ids) {
  auto out = std::string{};
  for (auto i = std::size_t{0}; i < ids.size();) {
    auto j = i;
    while (j + 1 < ids.size() && ids[j + 1] == ids[j] + 1)
      ++j;
    out += (out.empty() ? "" : ", ") + to_string(index_range{ids[i], ids[j]});
    i = j + 1;
  }
  return out;
}

std::vector<coverage_row> coverage_table(std::span<const coverage_part> parts, std::uint32_t layers,
                                         std::uint32_t experts) {
  auto out = std::vector<coverage_row>{};
  auto last_layer = std::size_t{0}; // where the rows of the last layers begin
  for (auto l = 0u; l < layers; ++l) {
    auto rows = rows_of_layer(parts, l, experts);
    const auto last = std::span{out}.subspan(last_layer);
    if (l > 0 && same_cuts(rows, last)) {
      for (auto& row : last)
        row.area.layers.last = l;
      continue;
    }
    last_layer = out.size();
    out.insert(out.end(), std::make_move_iterator(rows.begin()),
               std::make_move_iterator(rows.end()));
  }
  return out;
}

result<void> check_complete(std::span<const coverage_part> parts, std::uint32_t layers,
                            std::uint32_t experts) {
  LARQL_TRY_VOID(check_inside(parts, experts));
  for (auto l = 0u; l < layers; ++l) {
    auto missing = std::vector<std::uint32_t>{};
    for (auto e = 0u; e < experts; ++e)
      if (std::none_of(parts.begin(), parts.end(),
                       [&](const coverage_part& p) { return p.owned.contains(l, e); }))
        missing.push_back(e);
    if (!missing.empty())
      return fail(errc::usage, "layer {}: no shard has expert{} {}", l,
                  missing.size() == 1 ? "" : "s", list_of(missing));
  }
  return {};
}

result<void> check_exactly_once(std::span<const coverage_part> parts, std::uint32_t layers,
                                std::uint32_t experts) {
  LARQL_TRY_VOID(check_inside(parts, experts));
  for (auto l = 0u; l < layers; ++l)
    for (auto a = parts.begin(); a != parts.end(); ++a)
      for (auto b = std::next(a); b != parts.end(); ++b) {
        auto both = std::vector<std::uint32_t>{};
        for (auto e = 0u; e < experts; ++e)
          if (a->owned.contains(l, e) && b->owned.contains(l, e))
            both.push_back(e);
        if (!both.empty())
          return fail(errc::usage, "layer {}: expert{} {} claimed by both {} and {}", l,
                      both.size() == 1 ? "" : "s",
                      list_of(both) + (both.size() == 1 ? " is" : " are"), a->name, b->name);
      }
  return check_complete(parts, layers, experts);
}

} // namespace larql::topology
