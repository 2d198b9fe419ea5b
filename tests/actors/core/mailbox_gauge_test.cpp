// Mirrors actors/core/mailbox_gauge.hpp and what state_actor.hpp does with it.

#include "actors/core/mailbox_gauge.hpp"

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "tests/support/process_facts.hpp"

#include <gtest/gtest.h>

#include <latch>

namespace larql::actors {
namespace {

using test::eventually;

/// Stands still at its first message until it is let go.
class slow {
public:
  using handle = caf::typed_actor<caf::reacts_to<tick_atom>>;
  static constexpr const char* name = "slow";
  slow(handle::pointer, std::latch& go) : go_(go) {}
  handle::behavior_type make_behavior() {
    return {[this](tick_atom) { go_.wait(); }};
  }

private:
  std::latch& go_;
};

TEST(MailboxGauge, CountsWhatActorsHaveNotHandledYet) {
  auto config = system_config{};
  auto go = std::latch{1};
  {
    auto sys = caf::actor_system{config};
    const auto a = spawn_state<slow>(sys, std::ref(go)), b = spawn_state<slow>(sys, std::ref(go));
    for (auto i = 0; i < 100; ++i)
      caf::anon_send(a, tick_atom::value);
    for (auto i = 0; i < 20; ++i)
      caf::anon_send(b, tick_atom::value);
    EXPECT_TRUE(eventually([&] { return config.mailboxes->waiting() == 120; }))
        << config.mailboxes->waiting();
    go.count_down();
    EXPECT_TRUE(eventually([&] { return config.mailboxes->waiting() == 0; }))
        << config.mailboxes->waiting();
    caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(b, caf::exit_reason::user_shutdown);
  }
  EXPECT_EQ(config.mailboxes->waiting(), 0u);
}

TEST(MailboxGauge, WhatIsSentToAnActorThatHasEndedDoesNotWait) {
  auto config = system_config{};
  auto go = std::latch{0};
  auto sys = caf::actor_system{config};
  const auto a = spawn_state<slow>(sys, std::ref(go));
  auto self = caf::scoped_actor{sys};
  self->monitor(a);
  self->send_exit(a, caf::exit_reason::user_shutdown);
  self->receive([](const caf::down_msg&) {});
  for (auto i = 0; i < 50; ++i)
    self->send(a, tick_atom::value);
  EXPECT_TRUE(eventually([&] { return config.mailboxes->waiting() == 0; }))
      << config.mailboxes->waiting();
}

TEST(MailboxGauge, AShareThatEndsTakesItsMessagesWithIt) {
  const auto gauge = std::make_shared<mailbox_gauge>();
  {
    auto share = mailbox_share{gauge};
    share.came();
    share.came();
    EXPECT_EQ(gauge->waiting(), 2u);
    share.left(1);
    EXPECT_EQ(gauge->waiting(), 1u);
  }
  EXPECT_EQ(gauge->waiting(), 0u);
}

} // namespace
} // namespace larql::actors
