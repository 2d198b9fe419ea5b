// Dials nodes and resolves names in threads of its own, so that neither the network thread nor an
// actor ever waits for a peer or a name server.
//
// Threads   One short-lived thread per attempt. Results go to the supervisor; after the destructor
//           nothing is sent any more; results of threads that still wait for a name server are
//           lost.
// Blocking  No function blocks; attempts end by their deadline.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/net/caf_connection.hpp"
#include "actors/net/tls_context.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace larql::actors {

/// What became of an attempt.
struct connect_result {
  result<description_ptr> node = description_ptr{}; ///< or the reason of the failure
  pending_connection connection;                    ///< if there is a node
  std::string address;                              ///< of the peer, for messages
};

/// How the supervisor reaches the network; tests put something else in place.
struct connect_functions {
  /// Dials `url` and greets; the outcome comes as dialled_atom with `target`.
  std::function<void(std::uint64_t target, const topology::shard_url& url)> dial;
  /// Resolves `name`; the addresses come as found_atom.
  std::function<void(const topology::shard_url& name)> resolve;
};

class connector {
public:
  connector(tls_context_ptr tls, schema::hello hello, std::chrono::milliseconds timeout);
  ~connector();
  connector(const connector&) = delete;
  connector& operator=(const connector&) = delete;

  /// Functions that send to `supervisor`, until this connector is destroyed.
  [[nodiscard]] connect_functions functions();
  /// A function that says which supervisor results go to from then on. Nothing is dialled before.
  [[nodiscard]] std::function<void(const supervisor_actor&)> reports();

  /// For connections that are dialled from now on. From any thread.
  void use_tls(tls_context_ptr tls);

  struct shared;

private:
  std::shared_ptr<shared> shared_;
};

} // namespace larql::actors
