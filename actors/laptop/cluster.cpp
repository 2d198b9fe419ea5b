#include "actors/laptop/cluster.hpp"

#include "actors/core/errc.hpp"
#include "actors/laptop/admin_proxy.hpp"
#include "actors/laptop/laptop_guard.hpp"
#include "actors/laptop/node_link.hpp"
#include "actors/laptop/router.hpp"
#include "actors/laptop/supervisor.hpp"
#include "actors/net/message_io.hpp"
#include "runtime/base/jitter.hpp"

#include <condition_variable>
#include <mutex>

namespace larql::actors {

namespace {

using steady = std::chrono::steady_clock;

// How long a joining node's greeting may wait for the supervisor.
constexpr auto decision_time = std::chrono::seconds{2};

bool is_complete(const cluster_view& view, const schema::model_identity& model) {
  auto parts = std::vector<topology::coverage_part>{};
  for (const auto& m : view.members)
    if (m.is_usable())
      parts.push_back({m.description->node, m.description->owned});
  return static_cast<bool>(topology::check_complete(parts, model.layers, model.experts));
}

// Every target has been tried, and none is still to come.
bool is_hopeless(const cluster_status& s, const topology::cluster& c) {
  return !c.find.enabled() && !s.targets.empty() &&
         std::all_of(s.targets.begin(), s.targets.end(),
                     [](const target_status& t) { return t.connected || t.attempts > 0; });
}

failure incomplete(const cluster_status& s, const topology::cluster& c,
                   const schema::model_identity& model) {
  auto code = errc::unavailable;
  auto reasons = std::string{};
  for (const auto& t : s.targets)
    if (!t.connected && !t.last_error.empty()) {
      if (reasons.empty())
        code = t.last_code;
      reasons += (reasons.empty() ? "" : "; ") + t.last_error;
    }
  auto parts = std::vector<topology::coverage_part>{};
  for (const auto& m : s.view->members)
    parts.push_back({m.description->node, m.description->owned});
  const auto covered = topology::check_complete(parts, model.layers, model.experts);
  if (reasons.empty() && covered)
    return fail(errc::unavailable, "nodes are there for all experts, but not all of them serve");
  if (covered)
    return {code, std::move(reasons)};
  if (reasons.empty() && c.find.enabled()) // the file is right, but no node came
    return fail(errc::unavailable, "{}", covered.error().text);
  if (reasons.empty())
    return covered.error();
  return fail(code, "{} ({})", reasons, covered.error().text);
}

// The nodes that dialled this laptop, for operators.
schema::node_list announced_in(const cluster_view& view) {
  auto out = schema::node_list{};
  for (const auto& m : view.members)
    if (m.announced && out.nodes.size() < schema::max_listed_nodes) {
      out.nodes.push_back({*m.description, m.address});
      out.nodes.back().node.state = m.state;
    }
  return out;
}

} // namespace

/// Keeps the last status for other threads that wait for it.
class cluster::watcher {
public:
  void set(cluster_status_ptr s) {
    {
      const auto lock = std::scoped_lock{mutex_};
      last_ = std::move(s);
    }
    changed_.notify_all();
  }
  [[nodiscard]] cluster_status_ptr get() const {
    const auto lock = std::scoped_lock{mutex_};
    return last_;
  }
  /// Waits until `ready` holds for the last status, the time is over, or the wait is stopped.
  template <class Predicate>
  void wait_until(steady::time_point until, const std::stop_token& stop, Predicate ready) {
    auto lock = std::unique_lock{mutex_};
    changed_.wait_until(lock, stop, until, [&] { return ready(*last_); });
  }

private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  cluster_status_ptr last_ =
      std::make_shared<cluster_status>(cluster_status{{}, std::make_shared<cluster_view>()});
};

result<std::unique_ptr<cluster>> cluster::connect(caf::actor_system& sys,
                                                  const cluster_options& options) {
  const auto& m = options.model;
  LARQL_TRY_VOID(topology::check_against(options.topology, m.layers, m.experts));
  auto out = std::unique_ptr<cluster>{new cluster};
  LARQL_TRY_VOID(out->start(sys, options));
  LARQL_TRY_VOID(out->wait_until_complete(options));
  return out;
}

/// The supervisor at the moment, for objects that are not replaced together with it.
class cluster::supervisor_slot {
public:
  void set(supervisor_actor s) {
    const auto lock = std::scoped_lock{mutex_};
    supervisor_ = std::move(s);
  }
  [[nodiscard]] supervisor_actor get() const {
    const auto lock = std::scoped_lock{mutex_};
    return supervisor_;
  }

private:
  mutable std::mutex mutex_;
  supervisor_actor supervisor_;
};

result<void> cluster::start(caf::actor_system& sys, const cluster_options& options) {
  limits_ = options.topology.limits;
  LARQL_TRY(tls_, tls_context::from(options.topology.protect));
  watcher_ = std::make_shared<watcher>();
  supervisor_ = std::make_shared<supervisor_slot>();
  formats_ = std::make_shared<layer_formats>(
      options.model.layers, options.topology.rows != topology::row_encoding::automatic);
  connector_ = std::make_unique<connector>(
      tls_, schema::hello{schema::protocol_version, options.name, options.model}, limits_.connect);
  auto s = supervisor_options{};
  s.cluster = options.topology;
  s.model = options.model;
  s.network = connector_->functions();
  s.uniform = jitter_source();
  s.on_change = [w = watcher_, f = formats_](const cluster_status_ptr& status) {
    f->set(*status->view);
    w->set(status);
  };
  s.link = [limits = limits_](caf::actor_system& system, connect_result& node,
                              const supervisor_actor& supervisor) -> node_link_actor {
    return spawn_broker<node_link_state>(
        system, std::move(node.connection), *node.node, node.address,
        link_options{limits.heartbeat, limits.heartbeat_misses, supervisor});
  };
  auto g = laptop_guard_options{};
  g.router = router_;
  g.uniform = jitter_source();
  g.start_router = [r = router_options{limits_, options.topology.hedge, {}, jitter_source()}](
                       caf::actor_system& system) {
    return spawn_on_network<router_state>(system, r);
  };
  g.start_supervisor = [s, c = connector_->reports(),
                        slot = supervisor_](caf::actor_system& system, const router_actor& router) {
    auto fresh = s;
    fresh.router = router;
    auto supervisor = spawn_state<supervisor_state>(system, std::move(fresh));
    c(supervisor);
    slot->set(supervisor);
    return supervisor;
  };
  guard_ = spawn_state<laptop_guard_state>(sys, std::move(g));
  auto started = false;
  auto self = caf::scoped_actor{sys};
  self->request(guard_, caf::infinite, start_atom::value)
      .receive([&](bool yes) { started = yes; }, [](const caf::error&) {});
  if (!started)
    return fail(errc::internal, "router and supervisor did not start");
  return listen_for_nodes(options, sys);
}

// Nodes that dial the laptop instead of the other way round.
result<void> cluster::listen_for_nodes(const cluster_options& options, caf::actor_system& sys) {
  const auto& at = options.topology.find.join;
  if (!at)
    return {};
  const auto decide =
      [&sys, slot = supervisor_](const schema::announce& node) -> result<schema::accepted> {
    auto answer = result<schema::accepted>{fail(errc::deadline, "the laptop is busy")};
    auto self = caf::scoped_actor{sys};
    self->request(slot->get(), decision_time, announce_atom::value,
                  announce_ptr{std::make_shared<schema::announce>(node)})
        .receive([&](const accepted_ptr& yes) { answer = *yes; },
                 [&](const caf::error& no) { answer = fail(errc::mismatch, "{}", text_of(no)); });
    return answer;
  };
  const auto take = [slot = supervisor_](schema::node_description node, secure_stream s) {
    auto outcome = std::make_shared<connect_result>();
    outcome->address = s.peer();
    outcome->node = description_ptr{std::make_shared<schema::node_description>(std::move(node))};
    outcome->connection = make_pending_connection(std::move(s));
    caf::anon_send(slot->get(), connect_atom::value, connect_result_ptr{std::move(outcome)});
  };
  LARQL_TRY(join_listener_, open_announce_listener(*at, tls_, decide, take, accept_admins(sys)));
  return {};
}

accept_admin_fn cluster::accept_admins(caf::actor_system& sys) const {
  const auto connections = std::make_shared<std::atomic<unsigned>>(0);
  return [&sys, connections, w = watcher_, slot = supervisor_,
          laptop = tls_ ? tls_->self() : peer_identity{}](secure_stream s,
                                                          time_limit until) -> result<void> {
    if (connections->load() >= admin_proxy_state::max_connections)
      return refuse(s, "this laptop has too many operators' connections", until);
    LARQL_TRY_VOID(write_message(s, announced_in(*w->get()->view), until));
    connections->fetch_add(1);
    auto peer = s.peer();
    auto who = s.identity();
    spawn_broker<admin_proxy_state>(sys, admin_connection{make_pending_connection(std::move(s)),
                                                          std::move(peer), std::move(who), laptop,
                                                          slot->get(), connections});
    return {};
  };
}

result<void> cluster::wait_until_complete(const cluster_options& options) {
  const auto& c = options.topology;
  // One round of attempts; with discovery, time to find nodes first.
  const auto time_allowed =
      limits_.connect + (c.find.enabled() ? limits_.failover : std::chrono::milliseconds{1000});
  watcher_->wait_until(steady::now() + time_allowed, options.stop, [&](const cluster_status& s) {
    return is_complete(*s.view, options.model) || is_hopeless(s, c);
  });
  const auto last = watcher_->get();
  if (options.stop.stop_requested())
    return fail(errc::cancelled, "stopped while connecting to the nodes");
  if (!is_complete(*last->view, options.model))
    return incomplete(*last, c, options.model);
  if (c.source.empty()) { // the short form has no replicas; nodes may share experts by layer
    auto parts = std::vector<topology::coverage_part>{};
    for (const auto& m : last->view->members)
      parts.push_back(
          {fmt::format("node {} ({})", m.description->node, m.address), m.description->owned});
    LARQL_TRY_VOID(
        topology::check_exactly_once(parts, options.model.layers, options.model.experts));
  }
  return {};
}

cluster_status_ptr cluster::status() const {
  return watcher_->get();
}

supervisor_actor cluster::supervisor() const {
  return supervisor_->get();
}

cluster::~cluster() {
  join_listener_.reset();
  connector_.reset();
  router_->clear();
  supervisor_->set({});
  if (guard_)
    caf::anon_send_exit(guard_, caf::exit_reason::user_shutdown);
}

} // namespace larql::actors
