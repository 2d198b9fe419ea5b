// Mirrors actors/net/caf_connection.hpp: what a broker gets from its connection, over real sockets.

#include "actors/net/caf_connection.hpp"

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/core/system.hpp"
#include "actors/net/frame_reader.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/raw_peer.hpp"

#include <fcntl.h>
#include <mutex>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::raw_peer;

/// What happened to a broker, for the test's thread.
struct broker_events {
  std::mutex mutex;
  std::vector<std::vector<char>> frames;
  int closed = 0;
  int closed_while_sending = 0;
};

/// Takes frames, and sends what it is told to.
class probe_state {
public:
  using handle = caf::typed_actor<caf::reacts_to<run_atom, encoded_frame>>::extend_with<
      caf::io::connection_handler>;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "probe";

  probe_state(pointer self, pending_connection t, std::shared_ptr<broker_events> events,
              bool ends_at_once)
      : self_(self), pending_(std::move(t)), events_(std::move(events)), ends_(ends_at_once) {}

  handle::behavior_type make_behavior() {
    connection_.open(pending_, self_);
    self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
    if (ends_)
      self_->quit();
    return {
        [this](run_atom, const encoded_frame& frame) {
          sending_ = true;
          auto& out = self_->wr_buf(connection_.handle());
          out.insert(out.end(), frame.bytes->begin(), frame.bytes->end());
          self_->flush(connection_.handle());
          sending_ = false;
        },
        [this](caf::io::new_data_msg& m) {
          auto frame = reader_.take(m.buf);
          ASSERT_TRUE(test::succeeds(frame));
          self_->configure_read(connection_.handle(),
                                caf::io::receive_policy::exactly(reader_.wanted()));
          const auto lock = std::scoped_lock{events_->mutex};
          if (*frame)
            events_->frames.push_back(**frame);
        },
        [this](const caf::io::connection_closed_msg&) {
          const auto lock = std::scoped_lock{events_->mutex};
          ++events_->closed;
          events_->closed_while_sending += sending_;
        },
    };
  }

private:
  pointer self_;
  pending_connection pending_;
  std::shared_ptr<broker_events> events_;
  bool ends_;
  bool sending_ = false;
  broker_connection connection_;
  frame_reader reader_;
};

class CafConnection : public testing::Test {
protected:
  CafConnection() {
    auto listening = listen_on({"127.0.0.1", 0});
    EXPECT_TRUE(test::succeeds(listening));
    peer.emplace(local_port(*listening));
    ours = socket{::accept(listening->fd(), nullptr, nullptr)};
    EXPECT_TRUE(test::succeeds(prepare(ours)));
    descriptor = ours.fd();
  }
  ~CafConnection() override { caf::anon_send_exit(broker, caf::exit_reason::user_shutdown); }

  void spawn(bool ends_at_once = false) {
    broker = spawn_broker<probe_state>(sys, make_pending_connection(secure_stream{std::move(ours)}),
                                       events, ends_at_once);
  }
  void send(std::vector<char> bytes) {
    caf::anon_send(broker, run_atom::value,
                   encoded_frame{std::make_shared<std::vector<char>>(std::move(bytes))});
  }

  system_config config;
  caf::actor_system sys{config};
  std::optional<raw_peer> peer;
  socket ours;
  int descriptor = -1;
  std::shared_ptr<broker_events> events = std::make_shared<broker_events>();
  probe_state::handle broker;
};

std::vector<char> random_frame(test::random_source& random, std::size_t bytes) {
  auto out = test::frame_header(static_cast<std::uint32_t>(bytes));
  for (auto i = std::size_t{0}; i < bytes; ++i)
    out.push_back(static_cast<char>(random.below(256)));
  return out;
}

// CAF's loop forgets a descriptor that is added and removed in one turn, without a word.
TEST_F(CafConnection, ClosesTheDescriptorIfItsBrokerEndsInTheTurnInWhichItBegan) {
  spawn(true);
  EXPECT_TRUE(eventually([&] { return ::fcntl(descriptor, F_GETFD) < 0; }));
}

TEST_F(CafConnection, ClosesTheDescriptorWithItsBroker) {
  spawn();
  send(test::frame_of(schema::ping{1}));
  ASSERT_TRUE(peer->read_payload());
  caf::anon_send_exit(broker, caf::exit_reason::user_shutdown);
  EXPECT_TRUE(eventually([&] { return ::fcntl(descriptor, F_GETFD) < 0; }));
}

TEST_F(CafConnection, SendsEverythingInOrderToAPeerThatReadsLate) {
  spawn();
  auto random = test::random_source{1};
  auto expected = std::vector<std::vector<char>>{};
  for (auto i = 0; i < 200; ++i) { // more than the kernel buffers
    auto frame = random_frame(random, 1 + random.below(200'000));
    expected.emplace_back(frame.begin() + schema::frame_header_bytes, frame.end());
    send(std::move(frame));
  }
  for (const auto& body : expected) {
    const auto got = peer->read_payload();
    ASSERT_TRUE(got);
    ASSERT_TRUE(*got == body);
  }
}

TEST_F(CafConnection, GivesTheFramesThatWereSentHoweverTheBytesAreCut) {
  spawn();
  auto random = test::random_source{2};
  auto bytes = std::vector<char>{};
  auto bodies = std::vector<std::vector<char>>{};
  const std::size_t sizes[] = {1, 7, 8, 9, 63, 64, 65, 4096, 5000, 66'000, 3'000'000};
  for (auto i = 0; i < 300; ++i) {
    const auto n = i < 11 ? sizes[i] : 1 + random.below(i % 10 == 0 ? 100'000 : 12'000);
    const auto frame = random_frame(random, n);
    bodies.emplace_back(frame.begin() + schema::frame_header_bytes, frame.end());
    bytes.insert(bytes.end(), frame.begin(), frame.end());
  }
  for (auto at = std::size_t{0}; at < bytes.size();) {
    const auto n = std::min<std::size_t>(bytes.size() - at, 1 + random.below(20'000));
    ASSERT_TRUE(peer->send(std::span{bytes}.subspan(at, n)));
    at += n;
  }
  ASSERT_TRUE(eventually([&] {
    const auto lock = std::scoped_lock{events->mutex};
    return events->frames.size() == bodies.size();
  }));
  EXPECT_TRUE(events->frames == bodies);
}

TEST_F(CafConnection, TellsOfAConnectionThatBrokeWhileItSentOnceAndAfterwards) {
  spawn();
  peer->reset();
  for (auto i = 0; i < 100; ++i) // the first ones may still find room
    send(std::vector<char>(100'000));
  ASSERT_TRUE(eventually([&] {
    const auto lock = std::scoped_lock{events->mutex};
    return events->closed > 0;
  }));
  caf::anon_send_exit(broker, caf::exit_reason::user_shutdown); // its connection is open as long
  EXPECT_TRUE(eventually([&] { return ::fcntl(descriptor, F_GETFD) < 0; }));
  const auto lock = std::scoped_lock{events->mutex};
  EXPECT_EQ(events->closed, 1);
  EXPECT_EQ(events->closed_while_sending, 0);
}

} // namespace
} // namespace larql::actors
