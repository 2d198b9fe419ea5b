#include "actors/laptop/laptop_guard.hpp"

#include "actors/core/errc.hpp"
#include "runtime/base/log.hpp"

namespace larql::actors {

laptop_guard_state::laptop_guard_state(pointer self, laptop_guard_options options)
    : self_(self),
      options_(std::move(options)),
      budget_(options_.most_restarts, options_.restart_window) {}

laptop_guard_state::~laptop_guard_state() {
  options_.router->clear();
  if (supervisor_)
    caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
  if (router_)
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
}

laptop_guard_state::handle::behavior_type laptop_guard_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg& m) { on_down(m); });
  return {
      [this](start_atom) {
        start_router();
        start_supervisor();
        return true;
      },
      [this](router_atom) { start_router(); },
      [this](supervisor_atom) { start_supervisor(); },
  };
}

void laptop_guard_state::start_router() {
  router_ = options_.start_router(self_->system());
  self_->monitor(router_);
  if (supervisor_)
    self_->send(supervisor_, router_atom::value, router_);
  options_.router->set(router_);
}

void laptop_guard_state::start_supervisor() {
  supervisor_ = options_.start_supervisor(self_->system(), router_);
  self_->monitor(supervisor_);
  self_->send(supervisor_, start_atom::value);
}

void laptop_guard_state::on_down(const caf::down_msg& m) {
  if (router_ && m.source == router_->address()) {
    router_ = nullptr;
    if (const auto delay = delay_after("router", m.reason))
      self_->delayed_send(self_, *delay, router_atom::value);
    else
      options_.router->clear();
  } else if (supervisor_ && m.source == supervisor_->address()) {
    supervisor_ = nullptr;
    if (const auto delay = delay_after("supervisor", m.reason))
      self_->delayed_send(self_, *delay, supervisor_atom::value);
  }
}

std::optional<std::chrono::microseconds> laptop_guard_state::delay_after(const char* who,
                                                                         const caf::error& why) {
  if (!budget_.allow(self_->clock().now())) {
    log_error("cluster", "the {} ended: {}; that was too often, it is not started again", who,
              text_of(why));
    return std::nullopt;
  }
  const auto delay =
      backoff_delay(options_.restart_delay, budget_.recent() - 1, options_.uniform());
  log_error("cluster", "the {} ended: {}; it starts again in {} ms", who, text_of(why),
            delay.count() / 1000);
  return delay;
}

} // namespace larql::actors
