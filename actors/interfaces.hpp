// Every message an actor of this system accepts, and nothing else. Read this file first: it is the
// map of the running system. No behaviour, no state, no policy.
//
// Conventions   `<role>_actor` is a typed handle. Any request may fail with a call_errc (errc.hpp);
//               callers always pass a finite timeout.

#pragma once

#include "actors/payload.hpp"
#include "schema/messages.hpp"

#include <caf/all.hpp>

#include <cstdint>
#include <memory>

namespace larql::actors {

struct layer_job; // layer_job.hpp
using layer_job_ptr = std::shared_ptr<layer_job>;
using description_ptr = std::shared_ptr<const schema::node_description>;

using run_atom = caf::atom_constant<caf::atom("run")>;
using connect_atom = caf::atom_constant<caf::atom("connect")>;
using describe_atom = caf::atom_constant<caf::atom("describe")>;
using drain_atom = caf::atom_constant<caf::atom("drain")>;
using route_atom = caf::atom_constant<caf::atom("route")>;
using status_atom = caf::atom_constant<caf::atom("status")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

/// A snapshot for people and health checks; cheap to produce.
struct shard_status {
  std::uint64_t served = 0;  ///< calls answered, failed ones included
  std::uint64_t failed = 0;  ///< of those
  std::uint32_t waiting = 0; ///< accepted and not answered
  bool draining = false;
};

/// EXPERT SHARD: computes the experts it owns. On a node it is the owner of the mapped pages; on
/// the laptop it is the connection to such a node. The router cannot tell them apart.
using expert_shard_actor = caf::typed_actor<
    // Runs a wire::Call with this id and answers a wire::Result. A node's refusal (wire::Failed)
    // and a lost connection are errors.
    caf::replies_to<run_atom, std::uint64_t, payload>::with<payload>,
    // What the node is and owns. Never fails.
    caf::replies_to<describe_atom>::with<description_ptr>,
    // Counters. Never fails.
    caf::replies_to<status_atom>::with<shard_status>,
    // Stops taking calls; answers once none is left.
    caf::reacts_to<drain_atom>>;

/// ROUTER: sends each layer's rows to the owners of the chosen experts and adds up what comes back.
using router_actor = caf::typed_actor<
    // Computes a layer. The answer goes into the job, not into a message: the session thread waits
    // there (remote_experts.hpp).
    caf::reacts_to<route_atom, layer_job_ptr>>;

/// NODE: one per daemon. Keeps the shard and the connections of laptops.
using node_actor = caf::typed_actor<
    // From the listener: a connection (descriptor, peer) that has been greeted.
    caf::reacts_to<connect_atom, int, std::string>,
    // Stops taking calls; answers once those accepted are answered.
    caf::reacts_to<drain_atom>,
    // Connections that are open.
    caf::replies_to<status_atom>::with<std::uint32_t>,
    // To itself, a while after connections ended.
    caf::reacts_to<tick_atom>>;

} // namespace larql::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::layer_job_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::description_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::shard_status)
