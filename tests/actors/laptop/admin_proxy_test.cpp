// Mirrors actors/laptop/admin_proxy.hpp. No threads, no sockets: the network is virtual.

#include "actors/laptop/admin_proxy.hpp"

#include "actors/core/errc.hpp"
#include "schema/codec.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/wire_frame.hpp"

namespace larql::actors {
namespace {

constexpr auto incarnation = std::uint64_t{4711};

using test::frame_of;

/// Has one member, or none.
class fake_supervisor {
public:
  using handle = supervisor_actor;
  static constexpr const char* name = "fake-supervisor";
  fake_supervisor(handle::pointer, cluster_view_ptr view) : view_(std::move(view)) {}
  handle::behavior_type make_behavior() {
    return {
        [](start_atom) {},
        [](router_atom, const router_actor&) {},
        [](dialled_atom, std::uint64_t, const connect_result_ptr&) {},
        [](found_atom, const std::string&, const address_list_ptr&) {},
        [](announce_atom, const announce_ptr&) { return accepted_ptr{}; },
        [](connect_atom, const connect_result_ptr&) {},
        [](notice_atom, std::uint64_t, schema::node_state) {},
        [](reach_atom, std::uint64_t, const reach_ptr&) {},
        [](condemn_atom, std::uint64_t, const std::string&) {},
        [](dial_atom, std::uint64_t) {},
        [](found_atom, const std::string&) {},
        [this](status_atom) {
          return cluster_status_ptr{std::make_shared<cluster_status>(cluster_status{{}, view_})};
        }};
  }

private:
  cluster_view_ptr view_;
};

/// Answers requests as a node would, or fails.
class fake_link {
public:
  using handle = node_link_actor;
  static constexpr const char* name = "fake-link";
  fake_link(handle::pointer, std::vector<std::string>& asked, bool& fails)
      : asked_(asked), fails_(fails) {}
  handle::behavior_type make_behavior() {
    return {[](run_atom, const outgoing_call&) { return received_result{}; },
            [](describe_atom) { return description_ptr{}; },
            [](status_atom) { return shard_status{}; }, [](tick_atom) {},
            [this](admin_atom, const admin_message_ptr& q) { return on_ask(*q); }};
  }

private:
  caf::result<admin_message_ptr> on_ask(const schema::message& q) {
    asked_.push_back(test::text_of(q));
    if (fails_)
      return make_error(failure_code::link_lost, "node alpha: gone");
    const auto answer = [](const schema::message& m) {
      return admin_message_ptr{std::make_shared<schema::message>(m)};
    };
    if (std::holds_alternative<schema::ping>(q))
      return answer(schema::pong{99, incarnation, 0, 0, {}});
    if (std::holds_alternative<schema::ask_status>(q))
      return answer(schema::node_status{99, incarnation});
    return answer(schema::controlled{99, true, "drained"});
  }

  std::vector<std::string>& asked_;
  bool& fails_;
};

class AdminProxy : public test::deterministic_system {
protected:
  AdminProxy() {
    link = spawn_state<fake_link>(sys, std::ref(asked), std::ref(fails));
    auto description = std::make_shared<schema::node_description>();
    description->incarnation = incarnation;
    auto view = std::make_shared<cluster_view>();
    view->members.push_back({description, "10.0.0.1:5",
                             caf::actor_cast<caf::strong_actor_ptr>(link),
                             schema::node_state::serving, true});
    supervisor = spawn_state<fake_supervisor>(sys, cluster_view_ptr{std::move(view)});
    start({}, {});
  }
  void start(peer_identity who, peer_identity laptop) {
    end();
    connections->fetch_add(1);
    proxy = spawn_broker<admin_proxy_state>(
        sys, admin_connection{virtual_connection(++fd), "10.0.0.2:5555", std::move(who),
                              std::move(laptop), supervisor, connections});
    settle();
  }
  void end() {
    if (proxy)
      caf::anon_send_exit(proxy, caf::exit_reason::user_shutdown);
    proxy = nullptr;
    settle();
  }
  ~AdminProxy() override {
    end();
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(link, caf::exit_reason::user_shutdown);
    settle();
  }

  /// What comes back.
  std::string answer(const schema::message& m) {
    receive(fd, frame_of(m));
    const auto frame = sent(fd);
    if (frame.size() < schema::frame_header_bytes)
      return "nothing";
    const auto body = std::vector<char>{frame.begin() + schema::frame_header_bytes, frame.end()};
    const auto out = schema::decode(body);
    return out ? test::text_of(*out) : out.error().text;
  }

  std::vector<std::string> asked;
  bool fails = false;
  int fd = 2000;
  node_link_actor link;
  supervisor_actor supervisor;
  admin_proxy_actor proxy;
  std::shared_ptr<std::atomic<unsigned>> connections = std::make_shared<std::atomic<unsigned>>(0);
};

TEST_F(AdminProxy, ForwardsRequestsAndAnswersUnderTheIdTheyCameWith) {
  EXPECT_EQ(answer(schema::ping{3, incarnation}),
            test::text_of(schema::pong{3, incarnation, 0, 0, {}}));
  EXPECT_EQ(answer(schema::ask_status{4, incarnation}),
            test::text_of(schema::node_status{4, incarnation}));
  EXPECT_EQ(answer(schema::control{5, schema::control_action::drain, incarnation}),
            "controlled id=5 ok=true text=drained");
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(AdminProxy, SaysThatItDoesNotHaveANode) {
  EXPECT_EQ(answer(schema::ping{3, incarnation + 1}),
            "refused reason=the node is not connected any more");
  EXPECT_TRUE(asked.empty());
}

TEST_F(AdminProxy, SaysWhyANodeDidNotAnswer) {
  fails = true;
  EXPECT_EQ(answer(schema::ask_status{3, incarnation}), "refused reason=node alpha: gone");
  fails = false;
  EXPECT_EQ(answer(schema::ask_status{4, incarnation}),
            test::text_of(schema::node_status{4, incarnation}));
}

TEST_F(AdminProxy, OrdersAreForwardedOnlyBetweenOperators) {
  const auto laptop = peer_identity{peer_role::laptop, "me"};
  const auto boss = peer_identity{peer_role::operator_, "boss"};
  const auto drain = schema::control{1, schema::control_action::drain, incarnation};
  start(laptop, boss);
  EXPECT_NE(answer(drain).find("ok=false text=a laptop may not control a node"), std::string::npos);
  start(boss, laptop);
  EXPECT_NE(answer(drain).find("ok=false text=the node is connected to a laptop"),
            std::string::npos);
  EXPECT_TRUE(asked.empty());
  start(laptop, laptop);
  EXPECT_EQ(answer(schema::ask_status{4, incarnation}),
            test::text_of(schema::node_status{4, incarnation}));
  start(boss, boss);
  EXPECT_EQ(answer(drain), "controlled id=1 ok=true text=drained");
}

TEST_F(AdminProxy, EndsItsConnectionForAnythingElse) {
  EXPECT_EQ(answer(schema::refused{"?"}), "nothing");
  EXPECT_TRUE(is_closed(fd));
  start({}, {});
  receive(fd, std::vector<char>(8, 'x'));
  EXPECT_TRUE(is_closed(fd));
  EXPECT_EQ(connections->load(), 0u);
}

TEST_F(AdminProxy, EndsWithTheLaptopAndAfterTheLongestConnection) {
  advance(admin_proxy_state::max_duration - std::chrono::seconds{1});
  EXPECT_FALSE(is_closed(fd));
  advance(std::chrono::seconds{1});
  EXPECT_TRUE(is_closed(fd));
  start({}, {});
  EXPECT_EQ(connections->load(), 1u);
  caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_TRUE(is_closed(fd));
  EXPECT_EQ(connections->load(), 0u);
}

} // namespace
} // namespace larql::actors
