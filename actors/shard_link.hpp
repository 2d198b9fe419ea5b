// The connection to an expert node: on the laptop it stands for the node's shard and answers the
// same messages. Turns calls into frames and frames into answers.
//
// Owner     The supervisor. Ends when the connection ends.
// Blocking  Never: runs on the network thread.
// Failure   When the connection is lost, every call in flight fails at once with link_lost. A frame
//           that is not a message of the protocol closes the connection. Answers that nobody waits
//           for, or of another incarnation, are dropped.

#pragma once

#include "actors/errc.hpp"
#include "actors/interfaces.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/state_actor.hpp"

#include <map>

namespace larql::actors {

class shard_link_state {
public:
  using handle = expert_shard_actor::extend_with<caf::io::connection_handler>;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "shard-link";

  /// `fd` is a connected descriptor after the handshake; the link owns it.
  shard_link_state(pointer self, int fd, description_ptr peer, std::string address);
  ~shard_link_state();

  handle::behavior_type make_behavior();

private:
  caf::result<payload> on_run(std::uint64_t id, const payload& call);
  void on_data(caf::io::new_data_msg& m);
  void on_frame(std::vector<char> body);
  void on_closed();
  void lose(const std::string& why);
  void fail_all(const std::string& why);
  void fail_call(std::uint64_t id, call_errc code, const std::string& text);

  pointer self_;
  int fd_;
  description_ptr peer_;
  std::string address_;
  caf::io::connection_handle connection_;
  frame_reader reader_;
  std::map<std::uint64_t, caf::typed_response_promise<payload>> waiting_;
  shard_status status_;
};

} // namespace larql::actors
