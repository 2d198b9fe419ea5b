#include "actors/calls/dial_targets.hpp"

#include "runtime/base/log.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

// "node alpha (10.0.0.1:9470): Connection refused". The error may begin with the address already,
// or know more of the node than its address.
std::string about(const dial_target& t, const std::string& what) {
  const auto& name = t.known_name();
  if (name.empty() || what.find("node " + name) != std::string::npos)
    return what;
  const auto at = host_port(t.url);
  auto rest = std::string_view{what};
  for (const auto& begin : {at + ": ", to_string(t.url) + ": "})
    if (rest.starts_with(begin))
      rest.remove_prefix(begin.size());
  return fmt::format("node {} ({}): {}", name, at, rest);
}

} // namespace

std::uint64_t dial_targets::add(topology::shard_url url, const std::string& found_by) {
  auto& t = targets_[next_id_];
  t.url = std::move(url);
  t.from_name = found_by;
  return next_id_++;
}

void dial_targets::add_static(const topology::cluster& c) {
  for (const auto& n : c.nodes) {
    auto& t = targets_[add(n.address, {})];
    t.expected_name = n.name;
    t.experts = n.experts;
    t.layers = n.layers;
    t.narrow = c.source.empty();
  }
}

std::vector<std::uint64_t> dial_targets::update(const std::string& name,
                                                const std::vector<topology::shard_url>& found) {
  for (auto& [id, t] : targets_)
    if (t.from_name == name)
      t.listed = std::find(found.begin(), found.end(), t.url) != found.end();
  auto out = std::vector<std::uint64_t>{};
  for (const auto& url : found) {
    const auto known = std::any_of(targets_.begin(), targets_.end(),
                                   [&](const auto& entry) { return entry.second.url == url; });
    if (known)
      continue;
    log_info("cluster", "{} names {}", name, to_string(url));
    out.push_back(add(url, name));
  }
  return out;
}

std::vector<std::uint64_t> dial_targets::ids() const {
  auto out = std::vector<std::uint64_t>{};
  for (const auto& [id, t] : targets_)
    out.push_back(id);
  return out;
}

dial_target* dial_targets::find(std::uint64_t id) noexcept {
  const auto it = targets_.find(id);
  return it == targets_.end() ? nullptr : &it->second;
}

bool dial_targets::begin(std::uint64_t id) noexcept {
  auto* t = find(id);
  if (t == nullptr || t->dialling || t->incarnation != 0)
    return false;
  return t->dialling = true;
}

void dial_targets::connected(dial_target& t, const schema::node_description& node) {
  t.incarnation = node.incarnation;
  t.attempts = 0;
  t.refused = false;
  t.last_error.clear();
  t.last_name = node.node;
  t.last_owned = node.owned;
  t.was_connected = true;
}

std::chrono::microseconds dial_targets::next_delay(dial_target& t) {
  return backoff_delay(retry_, t.attempts++, uniform_());
}

std::optional<std::chrono::microseconds> dial_targets::failed(std::uint64_t id, dial_target& t,
                                                              const failure& why) {
  t.refused = why.code == errc::mismatch || why.code == errc::corrupt || why.code == errc::usage;
  auto text = about(t, why.text);
  // Once per reason, not once per attempt. Of nodes that were never there whoever waits for them
  // says all reasons together.
  if (t.last_error != text && t.was_connected)
    log_warning("cluster", "{}", text);
  else if (t.last_error != text)
    log_info("cluster", "{}", text);
  t.last_error = std::move(text);
  t.last_code = why.code;
  if (t.listed)
    return next_delay(t);
  targets_.erase(id);
  return std::nullopt;
}

std::vector<std::pair<std::uint64_t, std::chrono::microseconds>>
dial_targets::lost(std::uint64_t incarnation, const std::string& why) {
  auto out = std::vector<std::pair<std::uint64_t, std::chrono::microseconds>>{};
  for (auto& [id, t] : targets_)
    if (t.incarnation == incarnation) {
      t.incarnation = 0;
      t.last_error = why;
      out.emplace_back(id, next_delay(t));
    }
  return out;
}

std::vector<cluster_view::absent> dial_targets::missing(const schema::model_identity& m) const {
  auto out = std::vector<cluster_view::absent>{};
  for (const auto& [id, t] : targets_) {
    if (t.incarnation != 0 || t.last_error.empty())
      continue;
    auto owned = experts::ownership{{0, m.layers - 1}, {0, m.experts - 1}};
    if (t.was_connected)
      owned = t.last_owned;
    owned.experts = t.experts.value_or(owned.experts);
    owned.layers = t.layers.value_or(owned.layers);
    out.push_back({t.known_name(), host_port(t.url), owned, t.last_error});
  }
  return out;
}

std::vector<target_status> dial_targets::status() const {
  auto out = std::vector<target_status>{};
  for (const auto& [id, t] : targets_)
    out.push_back({t.known_name(), to_string(t.url), t.incarnation != 0, t.refused, t.attempts,
                   t.last_error, t.last_code});
  return out;
}

} // namespace larql::actors
