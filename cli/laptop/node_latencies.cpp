#include "cli/laptop/node_latencies.hpp"

#include "actors/core/interfaces.hpp"

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto interval = 5s;
constexpr auto ask_timeout = 1s;

} // namespace

void node_latencies::refresh() {
  const auto now = std::chrono::steady_clock::now();
  if (nodes_ == nullptr || now - asked_ < interval)
    return;
  asked_ = now;
  auto fresh = std::vector<serve::node_latency>{};
  auto self = caf::scoped_actor{system_};
  for (const auto& m : nodes_->status()->view->members) {
    const auto link = caf::actor_cast<actors::node_link_actor>(m.shard);
    if (!link)
      continue;
    self->request(link, ask_timeout, actors::status_atom::value)
        .receive(
            [&](const actors::shard_status& s) {
              fresh.push_back({m.description->node, m.address,
                               static_cast<double>(s.round_trip_p50_us) / 1e6,
                               static_cast<double>(s.round_trip_p99_us) / 1e6});
            },
            [](const caf::error&) {}); // it went away meanwhile
  }
  const auto lock = std::scoped_lock{mutex_};
  latencies_ = std::move(fresh);
}

std::vector<serve::node_latency> node_latencies::get() const {
  const auto lock = std::scoped_lock{mutex_};
  return latencies_;
}

std::uint32_t node_latencies::count() const {
  return nodes_ == nullptr ? 0 : static_cast<std::uint32_t>(nodes_->status()->view->members.size());
}

} // namespace larql::cli
