// A node that holds sessions, on a virtual network: its desk, the connections of its laptops, and a
// session service that gives tokens when the test says so.

#pragma once

#include "actors/node/client_connection.hpp"
#include "actors/node/session_desk.hpp"
#include "schema/codec.hpp"
#include "tests/actors/session/fake_service.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/frame_texts.hpp"
#include "tests/support/tiny_model.hpp"
#include "tests/support/wire_frame.hpp"

#include <gtest/gtest.h>

namespace larql::test {

/// What both sides compute with in these tests.
inline schema::session_open common_identity() {
  auto out = schema::session_open{};
  out.dense[0] = out.head[1] = out.tokenizer[2] = out.chat_template[3] = std::byte{1};
  return out;
}

class fake_place {
public:
  explicit fake_place(std::string name = "alpha", std::uint64_t incarnation = 4711) {
    description->node = std::move(name);
    description->incarnation = incarnation;
    description->sessions = limits.sessions;
    host->identity = common_identity();
    host->tokens = &tokens_;
    host->model.vocab = 128;
    host->context = 200;
  }

  /// Starts the desk. The members below it may be changed before.
  void start(caf::actor_system& sys) {
    host->service = service.spawn(sys);
    auto o = actors::session_desk_options{};
    o.limits = limits;
    o.start = [this] {
      ++starts;
      return actors::session_host_ptr{host};
    };
    o.elsewhere = [](const std::function<void()>& work) { work(); };
    o.random_id = [this] {
      auto id = schema::session_key{};
      id[0] = static_cast<std::byte>(++ids_);
      return id;
    };
    o.counters = counters;
    desk = actors::spawn_state<actors::session_desk_state>(sys, std::move(o));
  }
  void end() {
    for (const auto& c : connections)
      caf::anon_send_exit(c, caf::exit_reason::kill);
    connections.clear();
    if (desk)
      caf::anon_send_exit(desk, caf::exit_reason::kill);
    desk = nullptr;
    service.end();
  }

  /// A laptop connects.
  void connect(caf::actor_system& sys, actors::pending_connection connection,
               actors::peer_identity who = {}) {
    auto client = std::make_shared<actors::accepted_client>();
    client->connection = std::move(connection);
    client->peer = "10.0.0.2:5555";
    client->identity = std::move(who);
    client->hello.model.emplace();
    auto context = actors::client_connection_state::context{};
    context.sessions = desk;
    context.description = description;
    context.counters = counters;
    connections.push_back(actors::spawn_broker<actors::client_connection_state>(
        sys, actors::accepted_client_ptr{std::move(client)}, std::move(context)));
  }

  actors::desk_limits limits;
  std::shared_ptr<schema::node_description> description =
      std::make_shared<schema::node_description>();
  std::shared_ptr<actors::session_host> host = std::make_shared<actors::session_host>();
  std::shared_ptr<actors::node_counters> counters = std::make_shared<actors::node_counters>();
  fake_service service;
  actors::session_desk_actor desk;
  std::vector<actors::client_actor> connections;
  int starts = 0;

private:
  text::tokenizer tokens_;
  unsigned ids_ = 0;
};

} // namespace larql::test
