#include "actors/admin/node_connections.hpp"

namespace larql::actors {

namespace {

result<node_report> ask(const dialled_node& node, unsigned pings, time_limit until) {
  LARQL_TRY(auto out, query_status(node.connection, node.description, pings, until));
  out.certificate_until = node.connection.identity().until;
  return out;
}

} // namespace

std::unique_ptr<dialled_node> node_connections::take(const std::string& address) {
  const auto lock = std::scoped_lock{mutex_};
  const auto it = idle_.find(address);
  if (it == idle_.end())
    return nullptr;
  auto out = std::move(it->second);
  idle_.erase(it);
  return out;
}

result<node_report> node_connections::query(const topology::shard_url& at, unsigned pings,
                                            time_limit until) {
  const auto address = to_string(at);
  auto node = take(address);
  auto out = result<node_report>{fail(errc::unavailable, "{}: no connection", address)};
  if (node)
    out = ask(*node, pings, until);
  // A node that is silent will not be quicker on another connection.
  if (!out && out.error().code != errc::deadline) {
    LARQL_TRY(auto dialled, dial_node(at, tls_, admin_hello(), until));
    node = std::make_unique<dialled_node>(std::move(dialled));
    out = ask(*node, pings, until);
  }
  if (out) {
    const auto lock = std::scoped_lock{mutex_};
    idle_[address] = std::move(node);
  }
  return out;
}

} // namespace larql::actors
