// Dials nodes and resolves names in threads of its own, so that neither the network thread nor an
// actor ever waits for a peer or a name server.
//
// Threads   One short-lived thread per attempt. Results go to the supervisor; after the destructor
//           nothing is sent any more, and threads that still wait for a name server end unheard.
// Blocking  No function blocks; attempts end by their deadline.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/net/scribe.hpp"
#include "actors/net/tls_context.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace larql::actors {

/// What became of an attempt.
struct dial_outcome {
  result<description_ptr> node = description_ptr{}; ///< or why not
  transport connection;                             ///< if there is a node
  std::string address;                              ///< of the peer, for messages
};

/// How the supervisor reaches the network; tests put something else in place.
struct dial_functions {
  /// Dials `url` and greets; the outcome comes as dialled_atom with `target`.
  std::function<void(std::uint64_t target, const topology::shard_url& url)> dial;
  /// Resolves `name`; the addresses come as found_atom.
  std::function<void(const topology::shard_url& name)> resolve;
};

class dialler {
public:
  dialler(tls_context_ptr tls, schema::hello hello, std::chrono::milliseconds timeout);
  ~dialler();
  dialler(const dialler&) = delete;
  dialler& operator=(const dialler&) = delete;

  /// Functions that send to `supervisor`, until this dialler is destroyed.
  [[nodiscard]] dial_functions functions();
  /// To whom results go. Call once, before the first attempt.
  void report_to(const supervisor_actor& supervisor);

  struct shared;

private:
  std::shared_ptr<shared> shared_;
};

/// Dials and greets a node in the calling thread. Errors name the URL.
struct dialled_node {
  schema::node_description description;
  stream connection;
};
[[nodiscard]] result<dialled_node> dial_node(const topology::shard_url& url,
                                             const tls_context_ptr& tls, const schema::hello& hello,
                                             time_limit until);

/// Dials, in the calling thread, the laptop where nodes announce themselves. It is not greeted yet.
/// Errors name the address.
[[nodiscard]] result<stream> dial_laptop(const topology::shard_url& at, const tls_context_ptr& tls,
                                         time_limit until);

} // namespace larql::actors
