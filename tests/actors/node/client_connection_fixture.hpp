// A laptop's connection on a node over a virtual network: the test is the peer, the shard and the
// node.

#pragma once

#include "actors/node/client_connection.hpp"

#include "actors/core/errc.hpp"
#include "schema/codec.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/frame_texts.hpp"
#include "tests/support/wire_frame.hpp"

namespace larql::actors {

constexpr auto incarnation = std::uint64_t{4711};

using test::frame_of;

inline encoded_frame as_answer(std::vector<char> frame) {
  return {std::make_shared<std::vector<char>>(std::move(frame))};
}

class ClientConnection : public test::deterministic_system {
protected:
  ClientConnection() {
    description->incarnation = incarnation;
    node = spawn_state<fake_node>(sys, std::ref(asked), std::ref(node_is_silent));
    start({});
  }
  /// A connection of a peer with this identity; the one before ends.
  void start(peer_identity who, bool holds_the_model = true) {
    if (connection)
      caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
    settle();
    auto client = std::make_shared<accepted_client>();
    client->connection = virtual_connection(++fd);
    client->peer = "10.0.0.2:5555";
    client->identity = std::move(who);
    if (holds_the_model)
      client->hello.model.emplace();
    auto context = client_connection_state::context{};
    context.node = node;
    context.shard = shard.actor() ? shard.actor() : shard.spawn(sys);
    context.description = description;
    context.restart_node = [this] { ++restarts; };
    context.counters = counters;
    context.reach = reach;
    connection = spawn_broker<client_connection_state>(sys, accepted_client_ptr{std::move(client)},
                                                       std::move(context));
    settle();
  }
  ~ClientConnection() override {
    caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
    node = nullptr;
    shard.end();
    settle();
  }

  /// Answers what the connection asks of its node.
  class fake_node {
  public:
    using handle = node_actor;
    static constexpr const char* name = "fake-node";
    fake_node(handle::pointer self, std::vector<std::string>& asked, const bool& is_silent)
        : self_(self), asked_(asked), is_silent_(is_silent) {}
    handle::behavior_type make_behavior() {
      return {[](connect_atom, const accepted_client_ptr&) {},
              [](notice_atom, schema::node_state) {},
              [this](drain_atom) { asked_.push_back("drain"); },
              [this](restart_atom) {
                asked_.push_back("restart");
                return true;
              },
              [this](status_atom) { return status(); },
              [](describe_atom) { return schema::node_state::serving; },
              [](shard_atom) {},
              [](tick_atom) {}};
    }

  private:
    caf::result<node_status_ptr> status() {
      if (is_silent_) {
        unanswered_.push_back(self_->make_response_promise<node_status_ptr>());
        return unanswered_.back();
      }
      auto s = std::make_shared<schema::node_status>();
      s->owned_bytes = 12345;
      return node_status_ptr{std::move(s)};
    }

    handle::pointer self_;
    std::vector<std::string>& asked_;
    const bool& is_silent_;
    std::vector<caf::typed_response_promise<node_status_ptr>> unanswered_;
  };

  void receive_call(std::uint64_t id, std::span<const std::byte> data = {}) {
    auto call = schema::expert_call{};
    call.id = id;
    call.activations = data;
    receive(fd, frame_of(call));
  }

  /// The messages sent to the laptop since the last call, as text.
  std::vector<std::string> messages() { return test::texts_of(sent(fd)); }
  using texts = std::vector<std::string>;

  int fd = 1008;
  std::shared_ptr<schema::node_description> description =
      std::make_shared<schema::node_description>();
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
  std::shared_ptr<reach_book> reach; ///< of a relay, from the next start() on
  std::vector<std::string> asked;
  bool node_is_silent = false;
  int restarts = 0;
  node_actor node;
  test::fake_shard shard;
  client_actor connection;
};

} // namespace larql::actors
