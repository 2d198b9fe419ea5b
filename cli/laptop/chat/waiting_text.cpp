#include "cli/laptop/chat/waiting_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::cli {

namespace {

using incarnations = std::vector<std::uint64_t>;

bool is_late(const actors::cluster_member& m, const incarnations& late) {
  return std::find(late.begin(), late.end(), m.description->incarnation) != late.end();
}

bool is_served(const actors::cluster_view& view, const incarnations& late, std::uint32_t layer,
               std::uint32_t expert) {
  return std::any_of(
      view.members.begin(), view.members.end(), [&](const actors::cluster_member& m) {
        return m.is_usable() && !is_late(m, late) && m.description->owned.contains(layer, expert);
      });
}

bool is_served(const actors::cluster_view& view, const incarnations& late,
               const experts::ownership& all) {
  for (auto l = all.layers.first; l <= all.layers.last; ++l)
    for (auto e = all.experts.first; e <= all.experts.last; ++e)
      if (!is_served(view, late, l, e))
        return false;
  return true;
}

std::string text_of(const experts::ownership& owned, const std::string& name,
                    const std::string& address) {
  return fmt::format("experts {} of node {}", to_string(owned.experts),
                     name.empty() ? address : name);
}

} // namespace

std::string waiting_text(const actors::cluster_view& view, const incarnations& late) {
  for (const auto& m : view.missing)
    if (!is_served(view, late, m.owned))
      return text_of(m.owned, m.name, m.address);
  const auto text_of_member = [](const actors::cluster_member& m) {
    return text_of(m.description->owned, m.description->node, m.address);
  };
  for (const auto& m : view.members)
    if (!m.is_usable() && !is_served(view, late, m.description->owned))
      return fmt::format("{}, which is {}", text_of_member(m), name_of(m.state));
  for (const auto& m : view.members)
    if (is_late(m, late) && !is_served(view, late, m.description->owned))
      return text_of_member(m).append(late_text);
  return {};
}

std::string waiting_text(const actors::cluster* nodes) {
  return nodes == nullptr ? std::string{} : waiting_text(*nodes->status()->view, nodes->late());
}

} // namespace larql::cli
