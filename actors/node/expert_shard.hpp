// The expert shard of a node: owns the service, answers calls one after the other.
//
// Two of them work together on a node. Short calls (a token of a few sessions, about a millisecond)
// are computed by a shard that runs where its messages come from, the network thread: two changes
// of thread less, which would take as long as a small node's kernels. Long calls (a prompt) go on
// to a detached one, its `helper`, and so do short ones that come while the helper computes: the
// network thread never waits for the pool.
//
// Owner     The node owns the shard, and the shard its helper: one does not outlive the other.
// Blocking  Yes, for the kernels of one call, and the helper also until the other shard has
//           computed. Memory is bounded by one call; how many calls wait is bounded by the
//           connections (client_connection.hpp).
// Failure   A bad call is a wire::Failed inside the answer, not an error of the actor.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/core/state_actor.hpp"

#include <functional>
#include <memory>
#include <mutex>

namespace larql::actors {

class expert_shard_state {
public:
  using handle = expert_shard_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "expert-shard";

  /// Computes one call: frame out, and whether it is a result. The second argument is
  /// a buffer that may become the frame. Injected, so that tests need no weights.
  struct computed {
    std::vector<char> frame;
    bool ok = false;
  };
  using compute_fn = std::function<computed(const received_call&, std::vector<char>)>;

  /// Calls of more bytes are long.
  static constexpr std::size_t short_call_bytes = 32 * 1024;

  /// `computing` is held by whoever computes. A null helper: all calls are computed here.
  expert_shard_state(pointer self, description_ptr description, compute_fn compute,
                     std::shared_ptr<std::mutex> computing = std::make_shared<std::mutex>(),
                     expert_shard_actor helper = {});

  handle::behavior_type make_behavior();

private:
  caf::result<encoded_frame> on_run(const received_call& call);

  pointer self_;
  description_ptr description_;
  compute_fn compute_;
  std::shared_ptr<std::mutex> computing_;
  expert_shard_actor helper_;
  shard_status status_;
  buffer_pool frames_;
  message_pool<encoded_frame> answers_;
};

} // namespace larql::actors
