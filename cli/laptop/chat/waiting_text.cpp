#include "cli/laptop/chat/waiting_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::cli {

namespace {

bool is_served(const actors::cluster_view& view, std::uint32_t layer, std::uint32_t expert) {
  return std::any_of(view.members.begin(), view.members.end(),
                     [&](const actors::cluster_member& m) {
                       return m.is_usable() && m.description->owned.contains(layer, expert);
                     });
}

bool is_served(const actors::cluster_view& view, const experts::ownership& all) {
  for (auto l = all.layers.first; l <= all.layers.last; ++l)
    for (auto e = all.experts.first; e <= all.experts.last; ++e)
      if (!is_served(view, l, e))
        return false;
  return true;
}

std::string text_of(const experts::ownership& owned, const std::string& name,
                    const std::string& address) {
  return fmt::format("experts {} of node {}", to_string(owned.experts),
                     name.empty() ? address : name);
}

} // namespace

std::string waiting_text(const actors::cluster_view& view) {
  for (const auto& m : view.missing)
    if (!is_served(view, m.owned))
      return text_of(m.owned, m.name, m.address);
  for (const auto& m : view.members)
    if (!m.is_usable() && !is_served(view, m.description->owned))
      return fmt::format("{}, which is {}",
                         text_of(m.description->owned, m.description->node, m.address),
                         name_of(m.state));
  return {};
}

} // namespace larql::cli
