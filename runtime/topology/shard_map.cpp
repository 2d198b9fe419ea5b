#include "runtime/topology/shard_map.hpp"

#include <charconv>

namespace larql::topology {

namespace {

using experts::index_range;

constexpr std::uint16_t http_port = 8080;
constexpr std::uint16_t https_port = 443;

struct scheme {
  std::string_view prefix;
  bool tls;
  std::uint16_t default_port; // 0: must be given
};
constexpr scheme schemes[] = {{"caf://", false, 0},
                              {"tls://", true, 0},
                              {"http://", false, http_port},
                              {"https://", true, https_port}};

// Runs of experts as text: "3, 17-20".
std::string list(const std::vector<std::uint32_t>& ids) {
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

} // namespace

result<shard_url> parse_url(std::string_view text) {
  const auto bad = [&](std::string_view what) {
    return fail(errc::usage, "shard URL \"{}\": {}", text, what);
  };
  const scheme* found = nullptr;
  for (const auto& s : schemes)
    if (text.starts_with(s.prefix))
      found = &s;
  if (found == nullptr)
    return bad("expected caf://, tls://, http:// or https://");
  auto rest = text.substr(found->prefix.size());
  if (rest.ends_with('/'))
    rest.remove_suffix(1);
  auto out = shard_url{};
  out.tls = found->tls;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos)
      return bad("] is missing");
    out.host = rest.substr(1, end - 1);
    rest = rest.substr(end + 1);
  } else {
    const auto colon = rest.find(':');
    out.host = rest.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  if (out.host.empty() || out.host.find('/') != std::string::npos)
    return bad("host is missing or holds a path");
  if (rest.empty()) {
    if (found->default_port == 0)
      return bad("port is missing");
    out.port = found->default_port;
    return out;
  }
  auto port = 0u;
  const auto digits = rest.substr(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (rest[0] != ':' || error != std::errc{} || end != digits.data() + digits.size() || port == 0 ||
      port > 65535)
    return bad(fmt::format("port is \"{}\", expected 1 to 65535", digits));
  out.port = static_cast<std::uint16_t>(port);
  return out;
}

std::string to_string(const shard_url& url) {
  const auto v6 = url.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", url.tls ? "tls" : "caf", v6 ? "[" : "", url.host,
                     v6 ? "]" : "", url.port);
}

result<std::vector<shard_entry>> parse_shard_map(std::string_view text) {
  auto out = std::vector<shard_entry>{};
  while (true) {
    const auto comma = text.find(',');
    const auto entry = text.substr(0, comma);
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos)
      return fail(errc::usage, "shard map entry \"{}\": expected FIRST-LAST=URL", entry);
    auto parsed = shard_entry{};
    LARQL_TRY(parsed.experts, experts::parse_range(entry.substr(0, equals), "shard map range"));
    LARQL_TRY(parsed.url, parse_url(entry.substr(equals + 1)));
    out.push_back(std::move(parsed));
    if (comma == std::string_view::npos)
      return out;
    text = text.substr(comma + 1);
  }
}

result<void> check_coverage(std::span<const coverage_part> parts, std::uint32_t layers,
                            std::uint32_t experts) {
  for (const auto& p : parts)
    if (p.owned.experts.last >= experts)
      return fail(errc::usage, "{}: experts {}: the model has experts 0-{}", p.name,
                  to_string(p.owned.experts), experts - 1);
  for (auto l = 0u; l < layers; ++l) {
    auto missing = std::vector<std::uint32_t>{};
    for (auto e = 0u; e < experts; ++e) {
      const coverage_part* owner = nullptr;
      for (const auto& p : parts) {
        if (!p.owned.contains(l, e))
          continue;
        if (owner != nullptr)
          return fail(errc::usage, "layer {}, expert {} is claimed by both {} and {}", l, e,
                      owner->name, p.name);
        owner = &p;
      }
      if (owner == nullptr)
        missing.push_back(e);
    }
    if (!missing.empty())
      return fail(errc::usage, "layer {}: no shard has expert{} {}", l,
                  missing.size() == 1 ? "" : "s", list(missing));
  }
  return {};
}

} // namespace larql::topology
