// Connections to nodes that stay open from one look at a cluster to the next, as of `larql status
// --watch`: a handshake for every look would cost the nodes more than the answer.
//
// Owner     Whoever looks; destruction closes the connections.
// Threads   Any number at once, for different addresses.
// Blocking  query() until its deadline.

#pragma once

#include "actors/admin/node_client.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace larql::actors {

class node_connections {
public:
  explicit node_connections(tls_context_ptr tls) : tls_(std::move(tls)) {}

  [[nodiscard]] bool is_tls() const noexcept { return tls_ != nullptr; }

  /// As query_status() of an address. A connection that has ended meanwhile is made anew once;
  /// after an error nothing is kept.
  [[nodiscard]] result<node_report> query(const topology::shard_url& at, unsigned pings,
                                          time_limit until);

private:
  [[nodiscard]] std::unique_ptr<dialled_node> take(const std::string& address);

  const tls_context_ptr tls_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<dialled_node>> idle_; // by address
};

} // namespace larql::actors
