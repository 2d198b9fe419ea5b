#include "actors/laptop/cluster.hpp"

#include "actors/calls/node_link.hpp"
#include "actors/calls/supervisor.hpp"
#include "actors/core/errc.hpp"
#include "actors/laptop/admin_proxy.hpp"
#include "actors/laptop/laptop_guard.hpp"
#include "actors/net/message_io.hpp"
#include "actors/policy/stall_tolerant_deadline.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"

#include <condition_variable>
#include <mutex>

namespace larql::actors {

namespace {

using steady = std::chrono::steady_clock;

// How long a joining node's greeting may wait for the supervisor.
constexpr auto decision_time = std::chrono::seconds{2};
// Who waits longer than this is told for what.
constexpr auto notice_time = std::chrono::milliseconds{1000};
// How often one that waits for nodes looks at the time.
constexpr auto look_interval = std::chrono::milliseconds{250};

// What this process has itself counts as well.
std::vector<topology::coverage_part> own_part(const cluster_options& o) {
  if (!o.own)
    return {};
  return {{"this one", *o.own}};
}

bool is_complete(const cluster_view& view, const cluster_options& o) {
  const auto& model = o.model;
  auto parts = own_part(o);
  for (const auto& m : view.members)
    if (m.is_usable())
      parts.push_back({m.description->node, m.description->owned});
  return static_cast<bool>(topology::check_complete(parts, model.layers, model.experts));
}

// Every target has been tried, and waiting helps none: one is refused, all serve already, or nobody
// wants to wait.
bool is_hopeless(const cluster_status& s, const topology::cluster& c) {
  if (c.find.enabled() || s.targets.empty() ||
      !std::all_of(s.targets.begin(), s.targets.end(),
                   [](const target_status& t) { return t.connected || t.attempts > 0; }))
    return false;
  const auto is_refused = [](const target_status& t) { return t.refused; };
  const auto is_connected = [](const target_status& t) { return t.connected; };
  const auto serves = [](const cluster_member& m) { return m.is_usable(); };
  const auto& there = s.view->members;
  return c.limits.failover.count() == 0 ||
         std::any_of(s.targets.begin(), s.targets.end(), is_refused) ||
         (std::all_of(s.targets.begin(), s.targets.end(), is_connected) &&
          std::all_of(there.begin(), there.end(), serves));
}

// Why nodes are not connected; a reason that several have is said once, behind all of them.
std::string reasons_of(const cluster_status& s) {
  auto reasons = std::vector<std::pair<std::string, std::string>>{}; // reason, who has it
  for (const auto& t : s.targets) {
    if (t.connected || t.last_error.empty())
      continue;
    const auto end = std::min(t.last_error.find(": "), t.last_error.size());
    const auto who = t.last_error.substr(0, end);
    const auto why = t.last_error.substr(end);
    const auto known =
        std::find_if(reasons.begin(), reasons.end(), [&](const auto& r) { return r.first == why; });
    if (known == reasons.end())
      reasons.emplace_back(why, who);
    else
      known->second += ", " + who;
  }
  auto out = std::string{};
  for (const auto& [why, who] : reasons)
    out += (out.empty() ? "" : "; ") + who + why;
  return out;
}

// Where nodes are found that are not listed.
std::string ways_to_find(const topology::discovery& find) {
  auto out = std::string{};
  for (const auto& d : find.dns)
    out += (out.empty() ? "" : ", ") + host_port(d);
  if (find.join)
    out += fmt::format("{}announced at {}", out.empty() ? "" : ", ", host_port(*find.join));
  return out;
}

failure incomplete(const cluster_status& s, const cluster_options& o) {
  const auto& c = o.topology;
  const auto& model = o.model;
  auto reasons = reasons_of(s);
  const auto first = std::find_if(s.targets.begin(), s.targets.end(), [](const target_status& t) {
    return !t.connected && !t.last_error.empty();
  });
  const auto code = first == s.targets.end() ? errc::unavailable : first->last_code;
  auto parts = own_part(o);
  for (const auto& m : s.view->members)
    parts.push_back({m.description->node, m.description->owned});
  const auto covered = topology::check_complete(parts, model.layers, model.experts);
  if (reasons.empty() && covered)
    return fail(errc::unavailable, "nodes are there for all experts, but not all of them serve");
  if (covered)
    return {code, std::move(reasons)};
  if (reasons.empty() && c.find.enabled()) // the file is right
    return fail(errc::unavailable, "{} ({}): {}",
                parts.empty() ? "no node came" : "not all nodes came", ways_to_find(c.find),
                covered.error().text);
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
  LARQL_TRY_VOID(topology::check_against(options.topology, m.layers, m.experts, options.own));
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
  /// Has a node that is condemned in the ledger given up.
  void condemn(const cluster_member& m, const experts::maker_ledger& makers) {
    const auto id = m.description->incarnation;
    caf::anon_send(get(), condemn_atom::value, id, makers.why(id));
  }

private:
  mutable std::mutex mutex_;
  supervisor_actor supervisor_;
};

void cluster::start_checker(caf::actor_system& sys, const cluster_options& options) {
  auto o = answer_checker_options{};
  o.hidden = options.model.hidden;
  // Only what names all weights here and there says that they are stored in the same way.
  if (options.model.weights_digest)
    o.known = options.known;
  has_known_answers_ = o.known != nullptr;
  o.makers = makers_;
  o.condemn = [slot = supervisor_, makers = makers_](const cluster_member& m, const std::string&) {
    slot->condemn(m, *makers);
  };
  o.timeout = limits_.call_ceiling;
  o.uniform = jitter_source();
  checker_ = spawn_state<answer_checker_state>(sys, std::move(o));
}

result<void> cluster::start(caf::actor_system& sys, const cluster_options& options) {
  limits_ = options.topology.limits;
  LARQL_TRY(tls_, tls_context::from(options.topology.protect));
  watcher_ = std::make_shared<watcher>();
  supervisor_ = std::make_shared<supervisor_slot>();
  formats_ = std::make_shared<layer_formats>(
      options.model.layers, options.topology.rows != topology::row_encoding::automatic);
  connector_ = std::make_unique<connector>(
      tls_, schema::hello{schema::protocol_version, options.name, options.model}, limits_.connect);
  if (options.sample_answers)
    start_checker(sys, options);
  auto s = supervisor_options{};
  s.cluster = options.topology;
  s.model = options.model;
  s.network = connector_->functions();
  s.uniform = jitter_source();
  s.makers = makers_;
  s.owned_digest = options.owned_digest;
  s.on_change = [w = watcher_, f = formats_, c = checker_](const cluster_status_ptr& status) {
    f->set(*status->view);
    if (c)
      caf::anon_send(c, view_atom::value, status->view);
    w->set(status);
  };
  s.link = [limits = limits_,
            own = options.owned_digest](caf::actor_system& system, connect_result& node,
                                        const supervisor_actor& supervisor) -> node_link_actor {
    return spawn_broker<node_link_state>(
        system, std::move(node.connection), *node.node, node.address,
        link_options{limits.heartbeat, limits.heartbeat_misses, supervisor, own});
  };
  auto g = laptop_guard_options{};
  g.router = router_;
  g.uniform = jitter_source();
  auto r = router_options{};
  r.limits = limits_;
  r.hedge = options.topology.hedge;
  r.uniform = jitter_source();
  r.spot_check = options.topology.spot_check;
  r.relays = options.topology.relays;
  r.complete_rows = options.topology.complete_rows;
  r.sums = options.topology.sums;
  r.makers = makers_;
  r.late = late_;
  r.condemn = [slot = supervisor_, makers = makers_](const cluster_member& m, const std::string&) {
    slot->condemn(m, *makers);
  };
  r.own_sums = options.own_sums;
  r.checker = checker_;
  g.start_router = [r](caf::actor_system& system) {
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
  auto listening = open_announce_listener(*at, tls_, decide, take, accept_admins(sys));
  if (!listening && listening.error().text.find("in use") != std::string::npos)
    return fail(errc::io,
                "{}: most likely another larql of this cluster has it; one program at a time takes "
                "the nodes that announce themselves there (discovery.join)",
                listening.error().text);
  LARQL_TRY(join_listener_, std::move(listening));
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
  const auto is_decided = [&](const cluster_status& s) {
    return is_complete(*s.view, options) || is_hopeless(s, c);
  };
  const auto begin = steady::now();
  watcher_->wait_until(begin + notice_time, options.stop, is_decided);
  // Nodes may be down for a moment, or loading: they are waited for as in an answer under way.
  const auto longest = limits_.connect + std::max(limits_.failover, notice_time);
  if (const auto now = watcher_->get(); !is_decided(*now) && !options.stop.stop_requested())
    log_warning("cluster", "waiting at most {} s for nodes: {}",
                std::chrono::ceil<std::chrono::seconds>(longest).count(),
                reasons_of(*now).empty() ? "those that have not come yet" : reasons_of(*now));
  // While this process is stopped no time passes for those it waits for.
  auto left = stall_tolerant_deadline{longest, look_interval, steady::now()};
  do
    watcher_->wait_until(left.next(), options.stop, is_decided);
  while (!is_decided(*watcher_->get()) && !options.stop.stop_requested() &&
         left.look(steady::now()));
  const auto last = watcher_->get();
  if (options.stop.stop_requested())
    return fail(errc::cancelled, "stopped while connecting to the nodes");
  if (!is_complete(*last->view, options))
    return incomplete(*last, options);
  if (c.source.empty()) { // the short form has no replicas; nodes may share experts by layer
    auto parts = std::vector<topology::coverage_part>{};
    for (const auto& m : last->view->members)
      parts.push_back(
          {fmt::format("node {} ({})", m.description->node, m.address), m.description->owned});
    LARQL_TRY_VOID(
        topology::check_exactly_once(parts, options.model.layers, options.model.experts));
  }
  if (const auto missing = reasons_of(*last); !missing.empty())
    log_warning("cluster", "goes on without {}", missing);
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
  if (checker_)
    caf::anon_send_exit(checker_, caf::exit_reason::user_shutdown);
}

} // namespace larql::actors
