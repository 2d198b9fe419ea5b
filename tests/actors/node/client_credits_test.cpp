// Mirrors actors/node/client_connection.hpp and reach.hpp: what laptops of a relay are told that
// they may have under way, and what becomes of more.

#include "tests/actors/node/client_connection_fixture.hpp"

namespace larql::actors {
namespace {

class ClientCredits : public ClientConnection {
protected:
  ClientCredits() {
    description->owned = {{0, 9}, {0, 3}};
    reach = std::make_shared<reach_book>();
    auto view = std::make_shared<cluster_view>();
    for (const auto id : {incarnation, std::uint64_t{7}, std::uint64_t{8}}) {
      auto d = std::make_shared<schema::node_description>();
      d->incarnation = id;
      d->owned = {{0, 9}, {4, 7}};
      view->members.push_back({d, "10.0.0.9:9470", {}});
    }
    view->members.back().state = schema::node_state::draining;
    reach->set(view, incarnation);
    start({});
    (void) messages();
  }

  /// A call for one expert.
  void call_for(std::uint16_t expert, std::uint64_t id, bool direct = false) {
    const auto row = std::uint32_t{0};
    const auto weight = 1.0f;
    auto call = schema::expert_call{};
    call.id = id;
    call.rows = 1;
    call.pick_rows = std::as_bytes(std::span{&row, 1});
    call.pick_experts = std::as_bytes(std::span{&expert, 1});
    call.pick_weights = std::as_bytes(std::span{&weight, 1});
    call.direct = direct;
    receive(fd, frame_of(call));
  }
  std::string pong_after_ping() {
    receive(fd, frame_of(schema::ping{1}));
    const auto all = messages();
    return all.empty() ? std::string{} : all.back();
  }
  static bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(ClientCredits, APongSaysWhatIsReachedAndHowManyCallsMayNeedIt) {
  const auto text = pong_after_ping();
  EXPECT_TRUE(has(text, "credits=64")) << text;
  EXPECT_TRUE(has(text, "reaches 7:0-9/4-7")) << text;
  EXPECT_FALSE(has(text, "reaches 8")) << "it drains";
  EXPECT_FALSE(has(text, fmt::format("reaches {}", incarnation))) << "the node itself";
  reach->set(std::make_shared<cluster_view>(), incarnation);
  EXPECT_FALSE(has(pong_after_ping(), "credits"));
}

TEST_F(ClientCredits, BeforeAnyWasToldNoneAreThere) {
  call_for(5, 1);
  EXPECT_TRUE(shard.calls().empty());
  EXPECT_TRUE(has(messages().at(0), "credits"));
  call_for(2, 2);
  call_for(5, 3, true);
  EXPECT_EQ(shard.calls().size(), 2u) << "own and direct calls need none";
}

TEST_F(ClientCredits, WhatIsGivenToAllIsNoMoreThanOneOwnerTakes) {
  const auto other = reach_book::share{reach}; // another laptop's
  EXPECT_TRUE(has(pong_after_ping(), "credits=32"));
  for (auto id = 0u; id < 40; ++id)
    call_for(5, id);
  EXPECT_EQ(shard.calls().size(), 32u);
  EXPECT_EQ(messages().size(), 8u) << "overloaded";
  shard.answer(3, as_answer(frame_of(schema::ping{})));
  settle();
  call_for(5, 100);
  EXPECT_EQ(shard.calls().size(), 33u) << "an answer gives its credit back";
}

TEST_F(ClientCredits, AConnectionThatEndsGivesAllOfThemBack) {
  (void) pong_after_ping();
  for (auto id = 0u; id < 64; ++id)
    call_for(5, id);
  auto other = reach_book::share{reach};
  EXPECT_EQ(other.renew().credits, 0u);
  caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_EQ(other.renew().credits, 64u);
}

TEST_F(ClientCredits, AConnectionOfSessionsGivesItsShareToOthers) {
  EXPECT_TRUE(has(pong_after_ping(), "credits=64"));
  receive(fd, frame_of(schema::session_message{{}, schema::session_closed{}}));
  (void) messages();
  auto other = reach_book::share{reach};
  EXPECT_EQ(other.renew().credits, 64u);
  EXPECT_FALSE(has(pong_after_ping(), "credits"));
  call_for(5, 1);
  EXPECT_TRUE(shard.calls().empty());
  EXPECT_TRUE(has(messages().at(0), "credits"));
}

TEST_F(ClientCredits, AnOperatorsConnectionHasNoShare) {
  start({}, false);
  EXPECT_FALSE(has(pong_after_ping(), "credits"));
  auto other = reach_book::share{reach};
  EXPECT_EQ(other.renew().credits, 64u);
}

} // namespace
} // namespace larql::actors
