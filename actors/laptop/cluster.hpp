// The laptop's side of a set of expert nodes: finds them, checks that they hold the same model and
// together every expert, and runs the router. Keeps them together for as long as it lives.
//
// Blocking  connect() waits until every expert has an owner, or until it is clear that some will
// not
//           get one in time. Nothing else waits.
// Owner     Owns router, supervisor and connections; destruction ends them. Outlived by its
//           actor_system.
// Errors    Name the nodes' addresses, what they hold and what was expected, and missing experts.

#pragma once

#include "actors/laptop/connector.hpp"
#include "actors/laptop/router.hpp"
#include "actors/laptop/supervisor.hpp"
#include "actors/net/announce_listener.hpp"
#include "actors/net/listener.hpp"
#include "runtime/topology/topology.hpp"
#include "schema/messages.hpp"

#include <memory>
#include <stop_token>
#include <vector>

namespace larql::actors {

struct cluster_options {
  topology::cluster topology;
  schema::model_identity model;
  std::string name = "larql"; ///< what nodes write into their log
  std::stop_token stop = {};  ///< ends connect() early, with errc::cancelled
};

class cluster {
public:
  [[nodiscard]] static result<std::unique_ptr<cluster>> connect(caf::actor_system& sys,
                                                                const cluster_options& options);
  ~cluster();
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  [[nodiscard]] const router_actor& router() const noexcept { return router_; }
  [[nodiscard]] const topology::deadlines& limits() const noexcept { return limits_; }
  /// What each layer's rows are sent as.
  [[nodiscard]] const std::vector<quant::activation_format>& formats() const noexcept {
    return formats_;
  }
  /// Most rows that every node takes in one call.
  [[nodiscard]] std::uint32_t max_rows() const noexcept { return max_rows_; }
  /// As of now.
  [[nodiscard]] cluster_status_ptr status() const;

private:
  class watcher;

  cluster() = default;
  [[nodiscard]] result<void> start(caf::actor_system& sys, const cluster_options& options);
  [[nodiscard]] result<void> listen_for_nodes(const cluster_options& options,
                                              caf::actor_system& sys);
  /// What operators hear who come to where nodes announce themselves.
  [[nodiscard]] accept_admin_fn accept_admins(caf::actor_system& sys) const;
  [[nodiscard]] result<void> wait_until_complete(const cluster_options& options);

  topology::deadlines limits_;
  tls_context_ptr tls_;
  std::shared_ptr<watcher> watcher_;
  std::unique_ptr<connector> connector_;
  router_actor router_;
  supervisor_actor supervisor_;
  std::unique_ptr<listener> join_listener_;
  std::vector<quant::activation_format> formats_;
  std::uint32_t max_rows_ = schema::max_call_rows;
};

} // namespace larql::actors
