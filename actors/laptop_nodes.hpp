// The nodes that have announced themselves to a laptop which runs a model, asked over that laptop:
// it answers at the address where they came to it, and passes questions on.
//
// Errors    Name the laptop's address, and the node where one is meant.

#pragma once

#include "actors/joined_nodes.hpp"

#include <memory>

namespace larql::actors {

class laptop_nodes final : public joined_nodes {
public:
  /// Fails if no such laptop answers at `at` within `timeout`, which also bounds later connections.
  [[nodiscard]] static result<std::unique_ptr<laptop_nodes>>
  open(const topology::shard_url& at, const tls_context_ptr& tls,
       std::chrono::milliseconds timeout);

  /// None as well if the laptop does not answer any more.
  [[nodiscard]] std::vector<std::string> names() override;
  /// None: a laptop tells such nodes what to load, and then they announce themselves again.
  [[nodiscard]] std::vector<std::string> offers() override { return {}; }

  [[nodiscard]] result<std::vector<announced_node>> ask(unsigned pings, time_limit until) override;
  [[nodiscard]] result<node_report> inquire(const std::string& node, time_limit until) override;
  [[nodiscard]] result<std::string> tell(const std::string& node, schema::control_action action,
                                         time_limit until) override;

private:
  /// A connection to the laptop, and the nodes that it has.
  struct visit {
    stream laptop;
    schema::node_list here;
  };
  laptop_nodes(topology::shard_url at, tls_context_ptr tls, std::chrono::milliseconds timeout);
  [[nodiscard]] result<visit> visit_laptop() const;
  [[nodiscard]] result<schema::node_description> find(const visit& v,
                                                      const std::string& node) const;

  topology::shard_url at_;
  tls_context_ptr tls_;
  std::chrono::milliseconds timeout_;
};

} // namespace larql::actors
