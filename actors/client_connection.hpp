// A laptop's connection on the node: hands its calls to the shard and writes the answers back.
//
// Owner     The node, which spawns one per connection; it ends with the connection.
// Blocking  Never: runs on the network thread.
// Failure   A frame that is no call of the protocol closes this connection and nothing else. Calls
//           beyond the window are answered with `overloaded`. When the peer goes away, its answers
//           and the calls that were not begun are dropped. A peer that does not read its answers is
//           closed.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/state_actor.hpp"

#include <chrono>

namespace larql::actors {

class client_connection_state {
public:
  using handle = caf::io::connection_handler;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "client-connection";

  /// Calls of one connection that may wait at the same time.
  static constexpr std::uint32_t window = 64;
  /// Bytes of calls that may wait, and of answers that the peer has not taken. A laptop has a call
  /// or two in flight; these only bound what a broken or hostile one can pile up.
  static constexpr std::size_t max_waiting_bytes = 4 * std::size_t{schema::max_frame_bytes};
  static constexpr std::size_t max_unsent_bytes = 4 * std::size_t{schema::max_frame_bytes};
  /// Longest time a call may take at the shard, queueing included.
  static constexpr auto call_timeout = std::chrono::minutes{5};

  client_connection_state(pointer self, int fd, std::string peer, expert_shard_actor shard,
                          description_ptr node);
  ~client_connection_state();

  handle::behavior_type make_behavior();

private:
  void on_data(caf::io::new_data_msg& m);
  void on_frame(std::vector<char> body);
  void on_call(std::uint64_t id, std::vector<char> body);
  void send(const std::vector<char>& frame);
  void send_failure(std::uint64_t id, schema::failure_code code, const std::string& text);
  void drop(const std::string& why);

  pointer self_;
  int fd_;
  std::string peer_;
  expert_shard_actor shard_;
  description_ptr node_;
  caf::io::connection_handle connection_;
  frame_reader reader_;
  std::uint32_t waiting_ = 0;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t served_ = 0;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace larql::actors
