// A node that dials its laptop: announces itself, serves the connection, and comes back with
// back-off when it is lost. A node without experts asks what it should load.
//
// Threads   One of its own.
// Owner     Destruction ends the thread; connections that were handed over stay with the node.

#pragma once

#include "actors/node_server.hpp"
#include "runtime/base/backoff.hpp"
#include "runtime/topology/shard_url.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace larql::actors {

struct join_options {
  topology::shard_url coordinator;
  tls_context_ptr tls;
  std::chrono::milliseconds timeout{5000}; ///< to dial and greet
  backoff retry{std::chrono::milliseconds{200}, std::chrono::milliseconds{10000}};
};

/// Dials the coordinator and announces a node once; returns the answer and the open connection.
struct join_answer {
  schema::accepted accepted;
  stream connection;
};
[[nodiscard]] result<join_answer> announce_to(const join_options& options,
                                              const schema::announce& self);

class joiner {
public:
  joiner(join_options options, node_server& node);
  ~joiner();
  joiner(const joiner&) = delete;
  joiner& operator=(const joiner&) = delete;

private:
  void run();
  /// Sleeps; true if the joiner is to end.
  [[nodiscard]] bool stopped_within(std::chrono::microseconds time);
  void serve(stream connection);

  join_options options_;
  node_server& node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

} // namespace larql::actors
