// Runs a plain state class as a typed actor or as a broker that owns one connection. The only place
// that knows which CAF we build against (0.17 has no actor_from_state).
//
// A State provides `using handle`, `static constexpr const char* name`, a constructor that takes
// `pointer self` first, and `make_behavior()`; and `on_exception()` if something must be done
// before a handler that threw ends the actor.

#pragma once

#include "actors/core/errc.hpp"
#include "actors/core/system.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace larql::actors {

namespace detail {

/// Base is the CAF class that runs the state: an event-based actor or a typed broker.
template <class State, class Base>
class state_host : public Base {
public:
  template <class... Ts>
  explicit state_host(caf::actor_config& cfg, Ts&&... xs)
      : Base(cfg),
        mailbox_(mailboxes_of(this->system())),
        state_(std::in_place, this, std::forward<Ts>(xs)...) {
    // CAF would end the actor with an error that does not say what was thrown.
    this->set_exception_handler([this](std::exception_ptr& thrown) -> caf::error {
      if constexpr (requires(State & s) { s.on_exception(); })
        state_->on_exception();
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& e) {
        return make_error(failure_code::internal, e.what());
      } catch (...) {
        return make_error(failure_code::internal, "an exception without a text");
      }
    });
  }

  typename Base::behavior_type make_behavior() override { return state_->make_behavior(); }

  /// Drops the state and every handle it holds: no reference cycle survives the actor.
  void on_exit() override {
    state_.reset();
    Base::on_exit();
  }

  using Base::enqueue;
  void enqueue(caf::mailbox_element_ptr message, caf::execution_unit* host) override {
    mailbox_.came();
    Base::enqueue(std::move(message), host);
    if (this->getf(caf::abstract_actor::is_terminated_flag)) // the message was dropped
      mailbox_.left(0);
  }

  /// This thread may look into the mailbox only until the actor waits for messages, when the
  /// mailbox is empty.
  caf::resumable::resume_result resume(caf::execution_unit* host, std::size_t most) override {
    const auto out = Base::resume(host, most);
    mailbox_.left(out == caf::resumable::resume_later ? this->mailbox().size() : 0);
    return out;
  }

  /// CAF 0.17 leaves the mailbox of a broker that has ended open: a request to it would wait for
  /// its deadline. Close the mailbox as other actors do, so that the request fails at once.
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    if constexpr (std::is_base_of_v<caf::io::abstract_broker, Base>) {
      this->close_all();
      return caf::scheduled_actor::cleanup(std::move(reason), host);
    } else {
      return Base::cleanup(std::move(reason), host);
    }
  }

  const char* name() const override { return State::name; }

private:
  mailbox_share mailbox_;
  std::optional<State> state_;
};

template <class State, class Base>
class network_host final : public state_host<State, Base> {
public:
  using state_host<State, Base>::state_host;

  caf::resumable::subtype_t subtype() const override { return caf::resumable::io_actor; }
};

} // namespace detail

/// Spawns `State` as an event-based actor that runs on the network thread whenever its messages
/// come from there or are enqueued with it. CAF gives such an actor to its scheduler, two changes
/// of thread away, unless it says that it is one of I/O.
template <class State, class... Ts>
typename State::handle spawn_on_network(caf::actor_system& sys, Ts&&... xs) {
  using host = detail::network_host<State, typename State::handle::base>;
  return sys.spawn<host>(std::forward<Ts>(xs)...);
}

/// Spawns `State` as an event-based actor. `Options` may hold caf::detached.
template <class State, caf::spawn_options Options = caf::no_spawn_options, class... Ts>
typename State::handle spawn_state(caf::actor_system& sys, Ts&&... xs) {
  using host = detail::state_host<State, typename State::handle::base>;
  return sys.spawn<host, Options>(std::forward<Ts>(xs)...);
}

/// Spawns `State` as a broker on the network thread. State::handle includes io::connection_handler.
template <class State, class... Ts>
typename State::handle spawn_broker(caf::actor_system& sys, Ts&&... xs) {
  using host = detail::state_host<State, typename State::handle::broker_base>;
  auto cfg = caf::actor_config{&sys.middleman().backend()};
  return sys.spawn_class<host, caf::no_spawn_options>(cfg, std::forward<Ts>(xs)...);
}

} // namespace larql::actors
