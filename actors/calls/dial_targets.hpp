// The addresses that are dialled, with the state of each: which node is expected there, when to
// try again, and the last error.
//
//     idle ──begin()──► dialling ──connected()──► connected
//      ▲                   │                          │
//      └──── back-off ◄────┴──── failed() / lost() ◄──┘
//
// An address that a DNS name does not stand for any more is dropped with its next failure.
//
// Owner     The supervisor. Threads: plain state, one owner.
// Blocking  Never: dialling happens elsewhere (connector.hpp).

#pragma once

#include "actors/core/cluster_view.hpp"
#include "runtime/base/backoff.hpp"
#include "runtime/topology/topology.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace larql::actors {

/// One address.
struct dial_target {
  topology::shard_url url;
  std::string expected_name;                   ///< empty: any
  std::optional<experts::index_range> experts; ///< what it must own; absent: whatever it owns
  std::optional<experts::index_range> layers;
  bool narrow = false;   ///< use no other experts of the node than `experts` (the short form)
  std::string from_name; ///< DNS name that was resolved to this address; empty: a static address
  bool listed = true;    ///< the DNS name still resolves to this address

  bool dialling = false;
  std::uint64_t incarnation = 0; ///< of the node that is connected through it; 0: none
  unsigned attempts = 0;         ///< failed attempts since the last success
  bool refused = false;          ///< a node answered that is not the one needed
  std::string last_error;
  errc last_code = errc::unavailable;
  std::string last_name;         ///< of the node that was there
  experts::ownership last_owned; ///< of that node
  bool was_connected = false;

  /// As the topology calls it, or as the node called itself; may be empty.
  [[nodiscard]] const std::string& known_name() const noexcept {
    return expected_name.empty() ? last_name : expected_name;
  }
};

class dial_targets {
public:
  /// `uniform` gives random numbers in [0, 1), for jitter.
  dial_targets(backoff retry, std::function<double()> uniform)
      : retry_(retry), uniform_(std::move(uniform)) {}

  /// What the topology lists.
  void add_static(const topology::cluster& c);
  /// What a DNS name stands for now: keeps, drops and adds targets. Returns the new ones.
  [[nodiscard]] std::vector<std::uint64_t> update(const std::string& name,
                                                  const std::vector<topology::shard_url>& found);

  [[nodiscard]] std::vector<std::uint64_t> ids() const;
  /// Null if there is no such target.
  [[nodiscard]] dial_target* find(std::uint64_t id) noexcept;

  /// True if the target is to be dialled now: it is neither dialled nor connected.
  [[nodiscard]] bool begin(std::uint64_t id) noexcept;
  void connected(dial_target& t, const schema::node_description& node);
  /// When to dial again; nothing if the target is dropped. Logs an error that is new.
  [[nodiscard]] std::optional<std::chrono::microseconds> failed(std::uint64_t id, dial_target& t,
                                                                const failure& why);
  /// A node's connection is lost: the targets that led to it, and when to dial each of them again.
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::chrono::microseconds>>
  lost(std::uint64_t incarnation, const std::string& why);

  /// Targets without a connection, for error messages of the router.
  [[nodiscard]] std::vector<cluster_view::absent> missing(const schema::model_identity& m) const;
  [[nodiscard]] std::vector<target_status> status() const;

private:
  std::uint64_t add(topology::shard_url url, const std::string& found_by);
  [[nodiscard]] std::chrono::microseconds next_delay(dial_target& t);

  backoff retry_;
  std::function<double()> uniform_;
  std::map<std::uint64_t, dial_target> targets_;
  std::uint64_t next_id_ = 1;
};

} // namespace larql::actors
