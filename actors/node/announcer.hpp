// A node that dials its laptop: announces itself, serves the connection, and comes back with
// back-off when it is lost. A node without experts asks what it should load.
//
// Threads   One of its own.
// Owner     Destruction ends the thread; connections that were handed over stay with the node.

#pragma once

#include "actors/node/node_server.hpp"
#include "runtime/base/backoff.hpp"
#include "runtime/topology/shard_url.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace larql::actors {

struct announce_options {
  topology::shard_url laptop;
  tls_context_ptr tls;
  std::chrono::milliseconds timeout{5000}; ///< to dial and greet
  backoff retry{std::chrono::milliseconds{200}, std::chrono::milliseconds{10000}};
};

/// Dials the coordinator and announces a node once; returns the answer and the open connection.
struct announce_answer {
  schema::accepted accepted;
  secure_stream connection;
};
[[nodiscard]] result<announce_answer> announce_to(const announce_options& options,
                                                  const schema::announce& self);

class announcer {
public:
  announcer(announce_options options, node_server& node);
  ~announcer();
  announcer(const announcer&) = delete;
  announcer& operator=(const announcer&) = delete;

  /// For the next time that the laptop is dialled.
  void use_tls(tls_context_ptr tls);

private:
  void run();
  /// Sleeps; true if the announcer is to end.
  [[nodiscard]] bool stopped_within(std::chrono::microseconds time);
  void serve(secure_stream connection);

  announce_options options_;
  node_server& node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

} // namespace larql::actors
