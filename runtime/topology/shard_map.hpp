// "0-63=caf://a:9470,64-127=caf://b:9470": which experts are where, as typed on the command line.
//
// Errors    Name the entry, and for gaps and overlaps the experts.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/ownership.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::topology {

/// Where a node listens.
struct shard_url {
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;

  friend bool operator==(const shard_url&, const shard_url&) = default;
};

/// caf://host:port and http://host[:port] (port 8080) are plain, tls://host:port and
/// https://host[:port] (port 443) encrypted. IPv6 addresses stand in brackets.
[[nodiscard]] result<shard_url> parse_url(std::string_view text);
[[nodiscard]] std::string to_string(const shard_url& url);

struct shard_entry {
  experts::index_range experts;
  shard_url url;
};

/// Parses the whole map. Ranges are inclusive.
[[nodiscard]] result<std::vector<shard_entry>> parse_shard_map(std::string_view text);

/// What a shard answers for.
struct coverage_part {
  std::string name; ///< for messages
  experts::ownership owned;
};

/// Checks that every (layer, expert) of a model has exactly one owner.
[[nodiscard]] result<void> check_coverage(std::span<const coverage_part> parts,
                                          std::uint32_t layers, std::uint32_t experts);

} // namespace larql::topology
