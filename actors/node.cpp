#include "actors/node.hpp"

#include "actors/client_connection.hpp"
#include "actors/errc.hpp"
#include "runtime/base/log.hpp"

#include <malloc.h>
#include <unistd.h>

namespace larql::actors {

namespace {

// When the calls of an ended connection have been dropped as well.
constexpr auto memory_delay = std::chrono::milliseconds{500};

// Answers that a peer did not read may have filled hundreds of megabytes, which the allocator would
// keep for this process.
void give_memory_back() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

} // namespace

node_state::node_state(pointer self, expert_shard_actor shard, description_ptr description,
                       failure_fn on_failure)
    : self_(self),
      shard_(std::move(shard)),
      description_(std::move(description)),
      on_failure_(std::move(on_failure)) {}

node_state::~node_state() {
  for (const auto& c : connections_)
    caf::anon_send_exit(c, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(shard_, caf::exit_reason::user_shutdown);
}

node_state::handle::behavior_type node_state::make_behavior() {
  self_->monitor(shard_);
  self_->set_down_handler([this](const caf::down_msg& m) { on_down(m); });
  return {
      [this](connect_atom, int fd, const std::string& peer) { on_connect(fd, peer); },
      [this](drain_atom) { return on_drain(); },
      [this](status_atom) { return static_cast<std::uint32_t>(connections_.size()); },
      [](tick_atom) { give_memory_back(); },
  };
}

void node_state::on_connect(int fd, const std::string& peer) {
  if (draining_ || connections_.size() >= max_connections) {
    log_warning("node", "{}: closed: {}", peer,
                draining_ ? "the node is draining" : "too many connections");
    ::close(fd);
    return;
  }
  const auto connection =
      spawn_broker<client_connection_state>(self_->system(), fd, peer, shard_, description_);
  self_->monitor(connection);
  connections_.insert(connection);
}

caf::delegated<void> node_state::on_drain() {
  draining_ = true;
  return self_->delegate(shard_, drain_atom::value);
}

void node_state::on_down(const caf::down_msg& m) {
  if (m.source == shard_.address()) {
    on_failure_(text_of(m.reason));
    return;
  }
  for (auto it = connections_.begin(); it != connections_.end(); ++it)
    if (it->address() == m.source) {
      connections_.erase(it);
      self_->delayed_send(self_, memory_delay, tick_atom::value);
      return;
    }
}

} // namespace larql::actors
