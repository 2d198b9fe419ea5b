// The laptop's side of a set of expert nodes: finds them, checks that they hold the same model and
// together every expert, and runs router and supervisor for as long as it lives.
//
// Blocking  connect() waits until every expert has an owner, or until it is clear that some expert
//           will not get one in time. Nothing else waits.
// Owner     Owns router, supervisor and connections; destruction ends them. Outlived by its
//           actor_system.
// Errors    Name the nodes' addresses, what they hold and what was expected, and missing experts.

#pragma once

#include "actors/calls/connector.hpp"
#include "actors/laptop/answer_checker.hpp"
#include "actors/laptop/layer_formats.hpp"
#include "actors/laptop/router.hpp"
#include "actors/laptop/router_slot.hpp"
#include "actors/net/announce_listener.hpp"
#include "actors/net/listener.hpp"
#include "actors/net/model_match.hpp"
#include "runtime/topology/topology.hpp"
#include "schema/messages.hpp"

#include <memory>
#include <stop_token>
#include <vector>

namespace larql::actors {

struct cluster_options {
  topology::cluster topology;
  schema::model_identity model;
  std::string name = "larql";  ///< what nodes write into their log
  std::stop_token stop = {};   ///< ends connect() early, with errc::cancelled
  bool sample_answers = false; ///< ask nodes for known answers, at first and now and then
  std::shared_ptr<const answer_tables> known = {}; ///< the model's, if it has a table
  own_sums_fn own_sums = {};                       ///< as in router_options
  std::optional<experts::ownership> own = {};      ///< experts that no node need have
  owned_digest_fn owned_digest = {};               ///< as in supervisor_options
};

class cluster {
public:
  [[nodiscard]] static result<std::unique_ptr<cluster>> connect(caf::actor_system& sys,
                                                                const cluster_options& options);
  ~cluster();
  cluster(const cluster&) = delete;
  cluster& operator=(const cluster&) = delete;

  [[nodiscard]] const std::shared_ptr<router_slot>& router() const noexcept { return router_; }
  [[nodiscard]] const topology::deadlines& limits() const noexcept { return limits_; }
  /// The format in which each layer's rows are sent.
  [[nodiscard]] std::shared_ptr<const layer_formats> formats() const noexcept { return formats_; }
  /// As of now.
  [[nodiscard]] cluster_status_ptr status() const;
  /// Incarnations of nodes whose calls are overdue now.
  [[nodiscard]] std::vector<std::uint64_t> late() const { return late_->all(); }
  /// Which nodes have given wrong answers.
  [[nodiscard]] const std::shared_ptr<experts::maker_ledger>& makers() const noexcept {
    return makers_;
  }
  /// Nodes are compared with a table of known answers, and not only with what was seen first.
  [[nodiscard]] bool has_known_answers() const noexcept { return has_known_answers_; }
  /// The supervisor of now.
  [[nodiscard]] supervisor_actor supervisor() const;

private:
  class watcher;
  class supervisor_slot;

  cluster() = default;
  [[nodiscard]] result<void> start(caf::actor_system& sys, const cluster_options& options);
  void start_checker(caf::actor_system& sys, const cluster_options& options);
  [[nodiscard]] result<void> listen_for_nodes(const cluster_options& options,
                                              caf::actor_system& sys);
  /// Answers operators that connect to the address where nodes announce themselves.
  [[nodiscard]] accept_admin_fn accept_admins(caf::actor_system& sys) const;
  [[nodiscard]] result<void> wait_until_complete(const cluster_options& options);

  topology::deadlines limits_;
  tls_context_ptr tls_;
  std::shared_ptr<watcher> watcher_;
  std::unique_ptr<connector> connector_;
  std::shared_ptr<layer_formats> formats_;
  std::shared_ptr<router_slot> router_ = std::make_shared<router_slot>();
  std::shared_ptr<supervisor_slot> supervisor_;
  std::shared_ptr<experts::maker_ledger> makers_ = std::make_shared<experts::maker_ledger>();
  std::shared_ptr<late_nodes> late_ = std::make_shared<late_nodes>();
  bool has_known_answers_ = false;
  answer_checker_actor checker_; ///< null: nodes are not sampled
  laptop_guard_actor guard_;     ///< owns router and supervisor
  std::unique_ptr<listener> join_listener_;
};

} // namespace larql::actors
