#include "actors/node/node.hpp"

#include "actors/core/errc.hpp"
#include "runtime/base/log.hpp"

#include <malloc.h>

namespace larql::actors {

namespace {

using schema::node_state;

// When the calls of an ended connection have been dropped as well: soon, or, of a busy node, later.
constexpr std::chrono::milliseconds memory_delays[] = {
    std::chrono::milliseconds{500}, std::chrono::seconds{2}, std::chrono::seconds{8}};
// A shard that answers within this time lives; one that does not is busy with a call.
constexpr auto status_timeout = std::chrono::seconds{2};
// How often one that waits for a place looks for it.
constexpr auto place_interval = std::chrono::milliseconds{250};
// To measure takes milliseconds: whoever asks more often gets the same numbers again.
constexpr auto measure_interval = std::chrono::milliseconds{100};

// Answers that a peer did not read may have filled hundreds of megabytes, which the allocator would
// keep for this process.
void give_memory_back() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

} // namespace

node_supervisor_state::node_supervisor_state(pointer self, node_options options)
    : self_(self),
      options_(std::move(options)),
      state_(options_.state),
      budget_(options_.most_restarts, options_.restart_window) {}

node_supervisor_state::~node_supervisor_state() {
  for (const auto& [c, place] : connections_.all())
    caf::anon_send_exit(c, caf::exit_reason::user_shutdown);
  if (shard_)
    caf::anon_send_exit(shard_, caf::exit_reason::user_shutdown);
  if (options_.sessions)
    caf::anon_send_exit(options_.sessions, caf::exit_reason::user_shutdown);
}

node_supervisor_state::handle::behavior_type node_supervisor_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg& m) { on_down(m); });
  started_ = self_->clock().now();
  log_state(state_, "none");
  start_shard();
  return {
      [this](connect_atom, const accepted_client_ptr& client) { on_connect(client); },
      [this](notice_atom, node_state state) {
        if (state_ == node_state::loading)
          set_state(state);
      },
      [this](drain_atom) { return on_drain(); },
      [this](restart_atom) { return on_restart(); },
      [this](status_atom) { return on_status(); },
      [this](describe_atom) { return state_; },
      [this](shard_atom) { start_shard(); },
      [this](tick_atom) {
        --trims_ahead_;
        give_memory_back();
      },
  };
}

void node_supervisor_state::on_connect(const accepted_client_ptr& client) {
  auto place =
      client_places::place{!client->hello.model, client->identity.until.has_value(),
                           client->peer.substr(0, client->peer.rfind(':')), client->activity};
  if (client->waited.count() > 0)
    --waiting_for_place_;
  if (!make_room(place, client->peer))
    return put_off(client);
  client->activity->last = self_->clock().now();
  options_.counters->connections.fetch_add(1); // before it can have answered anything
  const auto connection = spawn_broker<client_connection_state>(
      self_->system(), client,
      client_connection_state::context{
          caf::actor_cast<node_actor>(self_), shard_, options_.sessions, options_.description,
          state_, options_.restart_node, options_.counters, options_.read_limit, options_.reach});
  self_->monitor(connection);
  connections_.add(connection, std::move(place));
}

bool node_supervisor_state::make_room(const client_places::place& p, const std::string& peer) {
  const auto answer = connections_.find(p, self_->clock().now());
  if (answer.is_free)
    return true;
  if (!answer.victim)
    return false;
  log_warning("node", "an idle connection was closed: all places are taken, and {} came", peer);
  connections_.all().at(*answer.victim).activity->unwanted = true;
  self_->send_exit(*answer.victim, caf::exit_reason::user_shutdown);
  connections_.remove(*answer.victim);
  options_.counters->connections.fetch_sub(1);
  return true;
}

// Others may become idle meanwhile. What the peer asks is kept by the system's socket.
void node_supervisor_state::put_off(const accepted_client_ptr& client) {
  if (waiting_for_place_ >= client_places::most_waiting ||
      client->waited >= client_places::longest_wait)
    return log_warning("node", "{}: closed: too many connections", client->peer);
  ++waiting_for_place_;
  client->waited += place_interval;
  self_->delayed_send(self_, place_interval, connect_atom::value, client);
}

void node_supervisor_state::set_state(node_state state) {
  if (state == state_)
    return;
  log_state(state, name_of(state_));
  state_ = state;
  options_.counters->state = state;
  for (const auto& [c, place] : connections_.all())
    self_->send(c, notice_atom::value, state_);
  if (options_.sessions)
    self_->send(options_.sessions, notice_atom::value, state_);
}

// One line that programs can read, for every state there ever is.
void node_supervisor_state::log_state(schema::node_state now, const char* before) const {
  const auto& d = *options_.description;
  log_info("node", "state={} before={} node=\"{}\" experts={} layers={} incarnation={:016x}",
           name_of(now), before, d.node, to_string(d.owned.experts), to_string(d.owned.layers),
           d.incarnation);
}

void node_supervisor_state::start_shard() {
  if (shard_ || state_ == node_state::degraded)
    return;
  shard_ = options_.start_shard(self_->system());
  asked_to_end_ = false;
  self_->monitor(shard_);
  if (state_ == node_state::draining) // whoever drains waits for this one as well
    self_->send(shard_, drain_atom::value);
  for (const auto& [c, place] : connections_.all())
    self_->send(c, shard_atom::value, shard_);
  for (auto& promise : std::exchange(waiting_for_restart_, {}))
    promise.deliver(true);
}

caf::result<void> node_supervisor_state::on_drain() {
  if (state_ != node_state::degraded)
    set_state(node_state::draining);
  if (!shard_)
    return caf::unit; // nothing was accepted that could still be answered
  return self_->delegate(shard_, drain_atom::value);
}

caf::result<bool> node_supervisor_state::on_restart() {
  if (state_ == node_state::degraded || state_ == node_state::draining)
    return false;
  auto promise = self_->make_response_promise<bool>();
  waiting_for_restart_.push_back(promise);
  if (shard_) {
    asked_to_end_ = true;
    self_->send_exit(shard_, caf::exit_reason::user_shutdown); // behind the call it computes
  }
  return promise;
}

caf::result<node_status_ptr> node_supervisor_state::on_status() {
  const auto now = self_->clock().now();
  if (!measured_at_ || now - *measured_at_ >= measure_interval) {
    measured_ = {};
    options_.measure(measured_);
    measured_at_ = now;
  }
  auto out = std::make_shared<schema::node_status>(measured_);
  out->incarnation = options_.description->incarnation;
  out->state = state_;
  out->uptime_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now - started_).count());
  out->connections = static_cast<std::uint32_t>(connections_.size());
  out->restarts = options_.counters->restarts.load();
  out->served = options_.counters->served.load();
  out->failed = options_.counters->failed.load();
  out->waiting = options_.counters->waiting.load();
  options_.counters->tell_work(*out);
  options_.counters->tell_answers(*out);
  return node_status_ptr{std::move(out)};
}

void node_supervisor_state::on_down(const caf::down_msg& m) {
  if (shard_ && m.source == shard_.address())
    return on_shard_down(m.reason);
  for (const auto& [c, place] : connections_.all())
    if (c.address() == m.source) {
      connections_.remove(client_actor{c}); // a copy: the entry goes
      if (code_of(m.reason))                // it threw
        log_error("node", "the connection of a laptop failed: {}", actors::text_of(m.reason));
      options_.counters->connections.fetch_sub(1);
      give_memory_back_later();
      return;
    }
}

// However many connections end, it is not done more often than for two of them.
void node_supervisor_state::give_memory_back_later() {
  if (trims_ahead_ > std::size(memory_delays))
    return;
  for (const auto delay : memory_delays)
    self_->delayed_send(self_, delay, tick_atom::value);
  trims_ahead_ += std::size(memory_delays);
}

void node_supervisor_state::on_shard_down(const caf::error& why) {
  shard_ = nullptr;
  options_.counters->restarts.fetch_add(1);
  for (const auto& [c, place] : connections_.all())
    self_->send(c, shard_atom::value, shard_);
  if (std::exchange(asked_to_end_, false)) {
    log_info("node", "the shard ended as asked and starts anew");
    attempt_ = 0;
    return start_shard();
  }
  if (!budget_.allow(self_->clock().now())) {
    log_error("node", "the shard ended: {}; that was too often, the node is degraded",
              actors::text_of(why));
    set_state(node_state::degraded);
    for (auto& promise : std::exchange(waiting_for_restart_, {}))
      promise.deliver(false);
    return;
  }
  attempt_ = budget_.recent() - 1;
  const auto delay = backoff_delay(options_.restart_delay, attempt_, options_.uniform());
  log_error("node", "the shard ended: {}; it starts again in {} ms", actors::text_of(why),
            delay.count() / 1000);
  self_->delayed_send(self_, delay, shard_atom::value);
}

} // namespace larql::actors
