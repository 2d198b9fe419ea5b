// Where a node listens, as people write it.
//
// Errors    Quote the text and say what was expected.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace larql::topology {

struct shard_url {
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;

  friend bool operator==(const shard_url&, const shard_url&) = default;
};

/// caf://host:port and http://host[:port] (port 8080) are plain, tls://host:port and
/// https://host[:port] (port 443) encrypted. IPv6 addresses stand in brackets.
[[nodiscard]] result<shard_url> parse_url(std::string_view text);

/// host:port, without a scheme. `what` names the option or key in errors.
[[nodiscard]] result<shard_url> parse_host_port(std::string_view text, std::string_view what);

/// "tls://host:port"
[[nodiscard]] std::string to_string(const shard_url& url);
/// "host:port"
[[nodiscard]] std::string host_port(const shard_url& url);

} // namespace larql::topology
