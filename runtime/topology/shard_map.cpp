#include "runtime/topology/shard_map.hpp"

namespace larql::topology {

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

} // namespace larql::topology
