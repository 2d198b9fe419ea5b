// The expert shard of a node: owns the service, answers calls one after the other.
//
// Owner     The node.
// Blocking  Yes: a call occupies the actor for the whole kernel, so it is spawned detached. Memory
// is
//           bounded by one call; how many wait is bounded by the connections
//           (client_connection.hpp).
// Failure   A bad call is a wire::Failed inside the answer, not an error of the actor.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/state_actor.hpp"

#include <functional>

namespace larql::actors {

class expert_shard_state {
public:
  using handle = expert_shard_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "expert-shard";

  /// Computes one call: message in, frame out, and whether it was a result. Injected, so that tests
  /// need no weights.
  struct computed {
    std::vector<char> frame;
    bool ok = false;
  };
  using compute_fn = std::function<computed(const payload&)>;

  expert_shard_state(pointer self, description_ptr description, compute_fn compute);

  handle::behavior_type make_behavior();

private:
  caf::result<payload> on_run(std::uint64_t id, const payload& call);

  description_ptr description_;
  compute_fn compute_;
  shard_status status_;
};

} // namespace larql::actors
