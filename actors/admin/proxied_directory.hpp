// The nodes that have announced themselves to a laptop which runs a model, asked over that laptop:
// it answers at the address where they came to it, and forwards requests to them.
//
// Errors    Name the laptop's address, and the node where one is meant.

#pragma once

#include "actors/admin/node_directory.hpp"

#include <memory>

namespace larql::actors {

class proxied_directory final : public node_directory {
public:
  /// Fails if no such laptop answers at `at` within `timeout`, which also bounds later connections.
  [[nodiscard]] static result<std::unique_ptr<proxied_directory>>
  open(const topology::shard_url& at, const tls_context_ptr& tls,
       std::chrono::milliseconds timeout);

  /// None as well if the laptop does not answer any more.
  [[nodiscard]] std::vector<std::string> names() override;
  /// None: a laptop tells such nodes what to load, and then they announce themselves again.
  [[nodiscard]] std::vector<std::string> offers() override { return {}; }

  [[nodiscard]] result<std::vector<directory_entry>> query_all(unsigned pings,
                                                               time_limit until) override;
  [[nodiscard]] result<node_report> query(const std::string& node, time_limit until) override;
  [[nodiscard]] result<std::string> control(const std::string& node, schema::control_action action,
                                            time_limit until) override;

private:
  /// A connection to the laptop, and the nodes that announced themselves to it.
  struct laptop_connection {
    secure_stream connection;
    schema::node_list here;
  };
  proxied_directory(topology::shard_url at, tls_context_ptr tls, std::chrono::milliseconds timeout);
  [[nodiscard]] result<laptop_connection> connect() const;
  [[nodiscard]] result<schema::node_description> find(const laptop_connection& c,
                                                      const std::string& node) const;

  topology::shard_url at_;
  tls_context_ptr tls_;
  std::chrono::milliseconds timeout_;
};

} // namespace larql::actors
