// The router: splits a layer's rows by the owner of each chosen expert, asks all owners at once,
// and adds their fixed-point sums.
//
// Owner     The cluster (cluster.hpp). One router serves all sessions of the process.
// Blocking  Never.
// Failure   A call that fails or misses its deadline fails the job with an error that names the
// node
//           and the experts. The router itself goes on.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/layer_job.hpp"
#include "actors/state_actor.hpp"

#include <vector>

namespace larql::actors {

/// A node that the router may use.
struct routed_shard {
  expert_shard_actor shard;
  description_ptr description;
  std::string address; ///< for messages
};

class router_state {
public:
  using handle = router_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "router";

  /// The shards together own every (layer, expert) that jobs name; a job that names another fails.
  router_state(pointer self, std::vector<routed_shard> shards);

  handle::behavior_type make_behavior();

private:
  struct pending_job;
  struct pending_call;

  void on_route(const layer_job_ptr& job);
  [[nodiscard]] bool is_owned(std::uint32_t layer, std::uint32_t expert) const;
  [[nodiscard]] std::vector<pending_call> split(const layer_job& job) const;
  void send(const std::shared_ptr<pending_job>& pending, pending_call call);
  [[nodiscard]] result<void> merge(const pending_call& call, const payload& answer,
                                   layer_job& job) const;
  [[nodiscard]] failure failure_of(const pending_call& call, const caf::error& err,
                                   const layer_job& job) const;
  void finish_call(const std::shared_ptr<pending_job>& pending, result<void> how);

  pointer self_;
  std::vector<routed_shard> shards_;
  std::uint64_t next_id_ = 1;
};

} // namespace larql::actors
