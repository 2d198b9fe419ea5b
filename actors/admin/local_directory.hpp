// The nodes that announce themselves to this program, for commands that look at nodes or control
// them: it listens where a laptop that runs the model would, tells the nodes to serve, and asks
// them over the connections that they opened. What it lists is therefore what a request that began
// now would reach.
//
// Owner     Destruction closes the connections; the nodes announce themselves to the next listener.
// Blocking  open() does not.

#pragma once

#include "actors/admin/node_directory.hpp"
#include "actors/net/announce_listener.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace larql::actors {

class local_directory final : public node_directory {
public:
  /// `unavailable` or `io` if another program has the address, usually a laptop that runs a model.
  [[nodiscard]] static result<std::unique_ptr<local_directory>> open(const topology::shard_url& at,
                                                                     const tls_context_ptr& tls);

  [[nodiscard]] std::vector<std::string> names() override;
  [[nodiscard]] std::vector<std::string> offers() override;

  /// A node that does not answer is taken off the list.
  [[nodiscard]] result<std::vector<directory_entry>> query_all(unsigned pings,
                                                               time_limit until) override;
  [[nodiscard]] result<node_report> query(const std::string& node, time_limit until) override;
  [[nodiscard]] result<std::string> control(const std::string& node, schema::control_action action,
                                            time_limit until) override;

private:
  struct connected_node {
    schema::node_description description;
    secure_stream connection;
  };

  local_directory() = default;
  [[nodiscard]] result<schema::accepted> decide(const schema::announce& node);
  void take(schema::node_description node, secure_stream connection);
  [[nodiscard]] result<std::shared_ptr<connected_node>> find(const std::string& node);
  void forget(const std::shared_ptr<connected_node>& n);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<connected_node>> here_; // by name
  std::set<std::string> offers_;
  std::unique_ptr<listener> listener_; // ends first
};

} // namespace larql::actors
