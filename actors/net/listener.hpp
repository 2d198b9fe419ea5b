// Accepts connections, exchanges the first messages with a deadline, and hands each connection to
// the node. Runs in its own threads: a peer that is slow or silent costs one of a bounded number of
// handshake places, never the network thread.
//
// Threads   One accepts; at most max_handshakes short-lived ones greet.
// Owner     The node. Destruction stops accepting and waits for the handshakes under way.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/net/socket.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace larql::actors {

struct listener_options {
  std::uint32_t max_handshakes = 32;
  std::chrono::milliseconds handshake_timeout{3000};
};

class listener {
public:
  listener(socket listening, node_actor node, description_ptr self, listener_options options);
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

private:
  void accept_loop();
  void greet(socket s);
  [[nodiscard]] bool enter(); // takes one of the places
  void leave();

  socket listening_;
  node_actor node_;
  description_ptr self_;
  listener_options options_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable left_;
  std::uint32_t handshakes_ = 0;
  std::thread acceptor_;
};

} // namespace larql::actors
