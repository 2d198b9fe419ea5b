// What a node is and has done so far, counted where it happens and read by whoever reports.
//
// Threads   Any.

#pragma once

#include "actors/core/mailbox_gauge.hpp"
#include "actors/core/memory_budget.hpp"
#include "actors/node/latency_histogram.hpp"
#include "schema/messages.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace larql::actors {

struct node_counters {
  /// Times of one layer's calls.
  struct layer_times {
    latency_histogram answered; ///< from the frame that is read to the answer that is written
    latency_histogram computed; ///< of that, in the kernels
  };

  node_counters() = default;
  explicit node_counters(experts::index_range owned_layers)
      : first_layer(owned_layers.first), layers(owned_layers.count()) {}

  /// Null for a layer that is not owned: peers name any.
  [[nodiscard]] layer_times* times_of(std::uint32_t layer) noexcept {
    const auto i = std::size_t{layer} - first_layer;
    return layer >= first_layer && i < layers.size() ? &layers[i] : nullptr;
  }

  std::atomic<std::uint64_t> served{0};  ///< calls answered, failed ones included
  std::atomic<std::uint64_t> failed{0};  ///< of those
  std::atomic<std::uint32_t> waiting{0}; ///< accepted and not answered
  std::atomic<schema::node_state> state{schema::node_state::serving};

  std::atomic<std::uint32_t> connections{0}; ///< now
  std::atomic<std::uint32_t> restarts{0};    ///< of the shard
  std::atomic<std::uint64_t> refused{0};     ///< calls turned away before the shard saw them
  std::atomic<std::uint64_t> rows{0};        ///< of calls that were computed
  std::atomic<std::uint64_t> experts{0};     ///< experts read for them, once a call
  std::atomic<std::uint64_t> expert_rows{0}; ///< rows put through an expert
  std::atomic<std::uint64_t> compute_ns{0};  ///< of those calls, in the kernels
  std::atomic<std::uint64_t> bytes_in{0};    ///< frames read from laptops
  std::atomic<std::uint64_t> bytes_out{0};   ///< frames written to them
  std::atomic<std::uint64_t> connected{0};   ///< connections greeted
  std::atomic<std::uint64_t> tls_failures{0};
  std::atomic<std::uint64_t> handshake_failures{0}; ///< after TLS: no laptop, or another model's

  std::atomic<std::uint32_t> sessions{0}; ///< of laptops, now
  std::atomic<std::uint64_t> sessions_opened{0};
  std::atomic<std::uint64_t> session_tokens{0}; ///< that sessions were given
  // Of a relay: calls that others had a part in, and calls to those, apart from the own work above.
  std::atomic<std::uint64_t> relayed_calls{0};    ///< answered with the help of others
  std::atomic<std::uint32_t> reached_nodes{0};    ///< connected now
  std::atomic<std::uint64_t> forwarded_calls{0};  ///< to them
  std::atomic<std::uint64_t> forwarded_rows{0};   ///< in these
  std::atomic<std::uint64_t> forward_failures{0}; ///< of these, without a right answer
  std::atomic<std::uint64_t> forward_ns{0};       ///< until they were answered
  latency_histogram forward_times;                ///< the same, each

  /// Of what waits in all connections.
  std::shared_ptr<memory_budget> buffers = std::make_shared<memory_budget>();

  /// Set once, before the node is ready: the digest first.
  std::atomic<schema::answers_state> answers{schema::answers_state::unchecked};
  schema::fingerprint own_answers{}; ///< of all owned experts, if `answers` says so

  /// The digest of the owned experts, once it is known: set once, at any time.
  void set_owned_digest(const schema::fingerprint& digest) {
    owned_digest_ = digest;
    has_owned_digest_.store(true, std::memory_order_release);
  }
  [[nodiscard]] std::optional<schema::fingerprint> owned_digest() const {
    return has_owned_digest_.load(std::memory_order_acquire) ? std::optional{owned_digest_}
                                                             : std::nullopt;
  }

  std::shared_ptr<const mailbox_gauge> mailboxes; ///< of the node's actors; may be null

  /// Own work and that of others, for a status.
  void tell_work(schema::node_status& to) const {
    to.rows = rows;
    to.compute_ns = compute_ns;
    to.reached_nodes = reached_nodes;
    to.forwarded_calls = forwarded_calls;
    to.forwarded_rows = forwarded_rows;
    to.forward_ns = forward_ns;
  }

  /// What the known answers and the weights are, for a status.
  void tell_answers(schema::node_status& to) const {
    to.answers = answers.load(std::memory_order_acquire);
    if (to.answers == schema::answers_state::own)
      to.own_answers = own_answers;
    to.owned_digest = owned_digest();
  }

  std::uint32_t first_layer = 0;
  std::vector<layer_times> layers; ///< per owned layer

private:
  schema::fingerprint owned_digest_{};
  std::atomic<bool> has_owned_digest_{false};
};

} // namespace larql::actors
