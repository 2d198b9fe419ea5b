// An actor system whose scheduler, clock and network move only when the test says so. Brokers get
// virtual connections: a descriptor number of the test's choice, bytes in by receive(), bytes out
// by sent().
//
// Detached actors do not work here; spawn them as ordinary ones.

#pragma once

#include "actors/net/caf_connection.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/network/test_multiplexer.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <vector>

namespace larql::test {

/// CAF's test network, with a virtual connection for each native descriptor.
class virtual_network : public caf::io::network::test_multiplexer {
public:
  using test_multiplexer::new_scribe;
  using test_multiplexer::test_multiplexer;

  caf::io::scribe_ptr new_scribe(caf::io::network::native_socket fd) override {
    return new_scribe(caf::io::connection_handle::from_int(fd));
  }
};

class deterministic_config : public caf::actor_system_config {
public:
  deterministic_config() {
    load<caf::io::middleman, virtual_network>();
    set("scheduler.policy", caf::atom("testing"));
    set("logger.inline-output", true);
    set("middleman.manual-multiplexing", true);
    set("middleman.attach-utility-actors", true);
    set("middleman.workers", std::size_t{0});
    set("middleman.heartbeat-interval", caf::timespan{0});
  }
};

class deterministic_system : public testing::Test {
protected:
  deterministic_system() {
    sched.clock().current_time += std::chrono::hours{1}; // zero means "no timeout" to CAF
    settle();
  }
  /// Lets actors that never ran start and stop, and ends what still waits for an answer;
  /// ~actor_system would wait for them.
  ~deterministic_system() override { advance(std::chrono::minutes{61}); }

  /// Runs everything that can run.
  void settle() {
    while (sched.try_run_once() || network.try_exec_runnable() || network.read_data()) {
    }
  }

  /// Moves the clock and runs what becomes due.
  void advance(caf::timespan by) {
    sched.advance_time(by);
    settle();
  }

  /// A virtual connection, as brokers take it.
  actors::pending_connection virtual_connection(int fd) {
    return [this, fd](caf::actor_system&) { return network.new_scribe(fd); };
  }

  static caf::io::connection_handle connection(int fd) {
    return caf::io::connection_handle::from_int(fd);
  }

  /// Bytes from the peer of connection `fd`.
  void receive(int fd, std::span<const char> bytes) {
    network.virtual_send(connection(fd), {bytes.begin(), bytes.end()});
    settle();
  }
  /// The peer of connection `fd` goes away.
  void lose(int fd) {
    if (const auto scribe = network.impl_ptr(connection(fd)))
      scribe->io_failure(&network, caf::io::network::operation::read);
    settle();
  }
  /// What was written to connection `fd` since the last call.
  std::vector<char> sent(int fd) {
    return std::exchange(network.output_buffer(connection(fd)), {});
  }
  /// Whether the broker has closed connection `fd`.
  bool is_closed(int fd) { return network.stopped_reading(connection(fd)); }

  /// Asks an actor and runs until nothing is left to do. The answer comes then or later.
  template <class T>
  struct reply {
    std::optional<T> value;
    std::optional<caf::error> error;

    [[nodiscard]] bool pending() const { return !value && !error; }
  };
  template <class T, class Handle, class... Ts>
  std::shared_ptr<reply<T>> ask(const Handle& whom, Ts... message) {
    auto out = std::make_shared<reply<T>>();
    sys.spawn([=](caf::event_based_actor* self) {
      self->request(whom, std::chrono::minutes{60}, message...)
          .then([=](const T& x) { out->value = x; }, [=](const caf::error& e) { out->error = e; });
    });
    settle();
    return out;
  }

  deterministic_config config;
  caf::actor_system sys{config};
  caf::scheduler::test_coordinator& sched =
      dynamic_cast<caf::scheduler::test_coordinator&>(sys.scheduler());
  virtual_network& network = dynamic_cast<virtual_network&>(sys.middleman().backend());
};

} // namespace larql::test
