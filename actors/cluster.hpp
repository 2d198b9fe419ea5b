// The laptop's side of a set of expert nodes: connects to them, checks that they hold the same
// model and together every expert, and runs the router.
//
// Blocking  connect() dials and greets in the calling thread, each node with a deadline.
// Owner     Owns links and router; destruction ends them. Outlived by its actor_system.
// Errors    Name the node's address, what it holds and what was expected.

#pragma once

#include "actors/router.hpp"
#include "runtime/topology/coverage.hpp"
#include "runtime/topology/shard_map.hpp"
#include "runtime/vindex/index_json.hpp"
#include "schema/messages.hpp"

#include <chrono>
#include <vector>

namespace larql::actors {

struct cluster_options {
  std::chrono::milliseconds connect_timeout{5000};
  std::string name = "larql"; ///< what nodes write into their log
};

class cluster {
public:
  [[nodiscard]] static result<cluster> connect(caf::actor_system& sys,
                                               const vindex::model_config& model,
                                               const schema::fingerprint& weights,
                                               const std::vector<topology::shard_entry>& shards,
                                               const cluster_options& options);

  cluster(cluster&&) noexcept = default;
  cluster& operator=(cluster&& other) noexcept;
  ~cluster();

  [[nodiscard]] const router_actor& router() const noexcept { return router_; }
  /// What each layer's rows are rounded to.
  [[nodiscard]] const std::vector<quant::activation_format>& formats() const noexcept {
    return formats_;
  }
  /// Most rows that every node takes in one call.
  [[nodiscard]] std::uint32_t max_rows() const noexcept { return max_rows_; }

private:
  cluster() = default;

  std::vector<routed_shard> shards_;
  router_actor router_;
  std::vector<quant::activation_format> formats_;
  std::uint32_t max_rows_ = schema::max_call_rows;
};

} // namespace larql::actors
