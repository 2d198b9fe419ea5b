// The nodes that announce themselves while somebody looks, for `larql status`: it listens where a
// laptop that runs the model would, tells them to serve, and asks them over their own connections.
// So what it lists is what a request that began now would reach.
//
// Owner     Destruction closes the connections; the nodes come back to whoever listens next.
// Threads   Methods may be called from one thread.
// Blocking  open() does not; ask() until its deadline.

#pragma once

#include "actors/join_desk.hpp"
#include "actors/node_inquiry.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace larql::actors {

struct announced_node {
  std::string address; ///< where its connection comes from
  result<node_report> report = node_report{};
};

class announced_nodes {
public:
  /// `unavailable` or `io` if somebody else has the address: a laptop that runs a model, mostly.
  [[nodiscard]] static result<std::unique_ptr<announced_nodes>> open(const topology::shard_url& at,
                                                                     const tls_context_ptr& tls);

  /// Asks all that are here; who does not answer is not listed the next time. By name.
  [[nodiscard]] std::vector<announced_node> ask(unsigned pings, time_limit until);

  /// Names of nodes that offer memory and own nothing yet.
  [[nodiscard]] std::vector<std::string> offers() const;

private:
  struct visitor {
    schema::node_description description;
    stream connection;
  };

  announced_nodes() = default;
  [[nodiscard]] result<schema::accepted> decide(const schema::announce& node);
  void take(schema::node_description node, stream connection);

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<visitor>> here_; // by name
  std::set<std::string> offers_;
  std::unique_ptr<listener> desk_; // ends first
};

} // namespace larql::actors
