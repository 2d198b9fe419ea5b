// What actors that call nodes tell each other about the cluster: plain snapshots, shared and
// never changed.

#pragma once

#include "runtime/topology/shard_url.hpp"
#include "schema/messages.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace larql::actors {

using description_ptr = std::shared_ptr<const schema::node_description>;
using reach_ptr = std::shared_ptr<const schema::reach>;
using announce_ptr = std::shared_ptr<const schema::announce>;
using accepted_ptr = std::shared_ptr<const schema::accepted>;
using node_status_ptr = std::shared_ptr<const schema::node_status>;
using address_list_ptr = std::shared_ptr<const std::vector<topology::shard_url>>;

/// A node that is connected.
struct cluster_member {
  description_ptr description;
  std::string address;         ///< for messages
  caf::strong_actor_ptr shard; ///< a node_link_actor: the connection
  schema::node_state state = schema::node_state::serving;
  bool announced = false; ///< the node opened the connection (larql-node --join)

  [[nodiscard]] bool is_usable() const noexcept { return state == schema::node_state::serving; }
};

/// All nodes that are connected, and why other targets are not, for error messages.
struct cluster_view {
  struct absent {
    std::string name; ///< may be empty
    std::string address;
    experts::ownership owned;
    std::string why; ///< names node and address
  };
  std::vector<cluster_member> members; ///< by name
  std::vector<absent> missing;
};
using cluster_view_ptr = std::shared_ptr<const cluster_view>;

/// Counters of a shard or of a connection to one.
struct shard_status {
  std::uint64_t served = 0;  ///< calls answered, failed ones included
  std::uint64_t failed = 0;  ///< calls answered with a failure
  std::uint32_t waiting = 0; ///< accepted and not answered
  bool draining = false;
  float round_trip_p50_us = 0; ///< of pings; connections only
  float round_trip_p99_us = 0;
};

/// Where a target stands, for people.
struct target_status {
  std::string name; ///< expected or found; may be empty
  std::string address;
  bool connected = false;
  bool refused = false;   ///< the node answered, and is not the one that is needed
  unsigned attempts = 0;  ///< failed attempts since the last success
  std::string last_error; ///< of the last failed attempt
  errc last_code = errc::unavailable;
};
struct cluster_status {
  std::vector<target_status> targets;
  cluster_view_ptr view;
};
using cluster_status_ptr = std::shared_ptr<const cluster_status>;

} // namespace larql::actors

// None of these leaves the process.
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::description_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::reach_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::announce_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::accepted_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::node_status_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::address_list_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::cluster_view_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::cluster_status_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::actors::shard_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(larql::schema::node_state)
