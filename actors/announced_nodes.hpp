// The nodes that announce themselves to this program, for commands that look at nodes or steer
// them: it listens where a laptop that runs the model would, tells them to serve, and asks them
// over their own connections. So what it lists is what a request that began now would reach.
//
// Owner     Destruction closes the connections; the nodes come back to whoever listens next.
// Blocking  open() does not.

#pragma once

#include "actors/join_desk.hpp"
#include "actors/joined_nodes.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace larql::actors {

class announced_nodes final : public joined_nodes {
public:
  /// `unavailable` or `io` if somebody else has the address: a laptop that runs a model, mostly.
  [[nodiscard]] static result<std::unique_ptr<announced_nodes>> open(const topology::shard_url& at,
                                                                     const tls_context_ptr& tls);

  [[nodiscard]] std::vector<std::string> names() override;
  [[nodiscard]] std::vector<std::string> offers() override;

  /// Who does not answer is not here any more.
  [[nodiscard]] result<std::vector<announced_node>> ask(unsigned pings, time_limit until) override;
  [[nodiscard]] result<node_report> inquire(const std::string& node, time_limit until) override;
  [[nodiscard]] result<std::string> tell(const std::string& node, schema::control_action action,
                                         time_limit until) override;

private:
  struct visitor {
    schema::node_description description;
    stream connection;
  };

  announced_nodes() = default;
  [[nodiscard]] result<schema::accepted> decide(const schema::announce& node);
  void take(schema::node_description node, stream connection);
  [[nodiscard]] result<std::shared_ptr<visitor>> find(const std::string& node);
  void forget(const std::shared_ptr<visitor>& v);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<visitor>> here_; // by name
  std::set<std::string> offers_;
  std::unique_ptr<listener> desk_; // ends first
};

} // namespace larql::actors
