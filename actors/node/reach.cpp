#include "actors/node/reach.hpp"

#include "actors/calls/node_link.hpp"
#include "actors/calls/supervisor.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"

namespace larql::actors {

namespace {

constexpr auto most_restarts = 10u;
constexpr auto restart_window = std::chrono::minutes{1};

} // namespace

// ---- what is reached ----------------------------------------------------------------------------

void reach_book::set(cluster_view_ptr view, std::uint64_t self) {
  auto parts = std::vector<schema::reach::part>{};
  for (const auto& m : view->members)
    if (m.is_usable() && m.description->incarnation != self && parts.size() < schema::max_reached)
      parts.push_back({m.description->incarnation, m.description->owned});
  const auto lock = std::scoped_lock{mutex_};
  parts_ = std::move(parts);
  view_ = std::move(view);
  if (relay_)
    caf::anon_send(relay_, view_atom::value, view_);
}

cluster_view_ptr reach_book::view() const {
  const auto lock = std::scoped_lock{mutex_};
  return view_;
}

schema::reach reach_book::reached() const {
  const auto lock = std::scoped_lock{mutex_};
  return {0, parts_};
}

void reach_book::tell(const relay_actor& relay) {
  const auto lock = std::scoped_lock{mutex_};
  relay_ = relay;
  if (relay_)
    caf::anon_send(relay_, view_atom::value, view_);
}

reach_book::share::share(std::shared_ptr<reach_book> book) : book_(std::move(book)) {
  const auto lock = std::scoped_lock{book_->mutex_};
  client_ = book_->credits_.join();
}

reach_book::share::~share() {
  const auto lock = std::scoped_lock{book_->mutex_};
  book_->credits_.leave(client_);
}

schema::reach reach_book::share::renew() {
  const auto lock = std::scoped_lock{book_->mutex_};
  return {book_->credits_.renew(client_), book_->parts_};
}

bool reach_book::share::begin() {
  const auto lock = std::scoped_lock{book_->mutex_};
  return book_->credits_.begin(client_);
}

void reach_book::share::end() {
  const auto lock = std::scoped_lock{book_->mutex_};
  book_->credits_.end(client_);
}

// ---- connections --------------------------------------------------------------------------------

struct reach::shared {
  supervisor_options options;
  std::function<void(const supervisor_actor&)> report_to; // of the connector
  description_ptr self;
  std::shared_ptr<node_counters> counters;
  std::shared_ptr<reach_book> book = std::make_shared<reach_book>();

  std::mutex mutex; // guards what follows
  supervisor_actor supervisor;
  restart_budget restarts{most_restarts, restart_window};
  bool ended = false;
};

reach::reach(caf::actor_system& sys, reach_options options) : shared_(std::make_shared<shared>()) {
  auto& s = *shared_;
  s.self = options.self;
  s.counters = options.counters;
  const auto limits = options.cluster.limits;
  connector_ = std::make_unique<connector>(
      options.tls, schema::hello{schema::protocol_version, options.self->node, options.self->model},
      limits.connect);
  auto& o = s.options;
  o.cluster = std::move(options.cluster);
  std::erase_if(o.cluster.nodes,
                [&](const topology::node_entry& n) { return n.name == options.self->node; });
  o.model = options.self->model;
  o.network = connector_->functions();
  o.owned_digest = options.owned_digest;
  o.place = "on this node";
  o.uniform = jitter_source();
  o.on_change = [book = s.book, counters = s.counters,
                 self = s.self->incarnation](const cluster_status_ptr& status) {
    book->set(status->view, self);
    counters->reached_nodes = static_cast<std::uint32_t>(book->reached().parts.size());
  };
  o.link = [limits,
            own = options.owned_digest](caf::actor_system& system, connect_result& node,
                                        const supervisor_actor& supervisor) -> node_link_actor {
    return spawn_broker<node_link_state>(
        system, std::move(node.connection), *node.node, node.address,
        link_options{limits.heartbeat, limits.heartbeat_misses, supervisor, own});
  };
  s.report_to = connector_->reports();
  start_supervisor(sys, shared_);
}

void reach::start_supervisor(caf::actor_system& sys, const std::shared_ptr<shared>& s) {
  const auto supervisor = spawn_state<supervisor_state>(sys, s->options);
  {
    const auto lock = std::scoped_lock{s->mutex};
    if (s->ended)
      return caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    s->supervisor = supervisor;
  }
  s->report_to(supervisor);
  caf::anon_send(supervisor, start_atom::value);
  // Its links end with it.
  caf::actor_cast<caf::strong_actor_ptr>(supervisor)
      ->get()
      ->attach_functor([&sys, weak = std::weak_ptr{s}](const caf::error& why) {
        const auto alive = weak.lock();
        if (!alive)
          return;
        {
          const auto locked = std::scoped_lock{alive->mutex};
          if (alive->ended)
            return;
          log_error("relay", "the supervisor ended: {}", text_of(why));
          alive->book->set(std::make_shared<cluster_view>(), alive->self->incarnation);
          alive->counters->reached_nodes = 0;
          if (!alive->restarts.allow(std::chrono::steady_clock::now()))
            return log_error("relay", "that was too often: this node answers for itself only");
        }
        start_supervisor(sys, alive);
      });
}

reach::~reach() {
  connector_.reset();
  auto supervisor = supervisor_actor{};
  {
    const auto lock = std::scoped_lock{shared_->mutex};
    shared_->ended = true;
    supervisor = std::exchange(shared_->supervisor, {});
  }
  shared_->book->tell({});
  shared_->book->set(std::make_shared<cluster_view>(), shared_->self->incarnation);
  if (supervisor)
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
}

const std::shared_ptr<reach_book>& reach::book() const noexcept {
  return shared_->book;
}

void reach::use_tls(tls_context_ptr tls) {
  connector_->use_tls(std::move(tls));
}

} // namespace larql::actors
