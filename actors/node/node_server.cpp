#include "actors/node/node_server.hpp"

#include "actors/core/errc.hpp"
#include "actors/net/handshake.hpp"
#include "actors/net/message_io.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/expert_shard.hpp"
#include "actors/node/relay.hpp"
#include "runtime/base/jitter.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

#include <cstdlib>
#include <fstream>
#include <new>
#include <thread>
#include <unistd.h>

namespace larql::actors {

namespace {

void count(const expert_service::answer& a, node_counters& to) {
  if (!a.ok) {
    to.failed.fetch_add(1);
    return;
  }
  to.rows.fetch_add(a.done.rows);
  to.experts.fetch_add(a.done.experts);
  to.expert_rows.fetch_add(a.done.expert_rows);
  to.compute_ns.fetch_add(static_cast<std::uint64_t>(a.done.compute_time.count()));
  if (auto* times = to.times_of(a.done.layer))
    times->computed.add(a.done.compute_time);
}

// A new service for every shard: whatever a failure left in its scratch memory goes with it. A call
// for which there is not enough memory fails by itself, or peers could end one shard after the
// other with large ones.
expert_shard_actor start_shard(caf::actor_system& sys, const description_ptr& description,
                               kernels::compute compute, const experts::expert_bank& bank,
                               const std::function<void()>& before_call,
                               const std::shared_ptr<node_counters>& counters) {
  const auto serve = [&] {
    const auto make = [compute, &bank, description] {
      return std::make_shared<expert_service>(compute, bank, *description);
    };
    return [make, service = make(), before_call, counters,
            description](const received_call& call, std::vector<char> frame) mutable {
      before_call();
      try {
        auto a = service->run(call.message, call.arrived, std::move(frame));
        count(a, *counters);
        return expert_shard_state::computed{std::move(a.frame), a.ok};
      } catch (const std::bad_alloc&) {
        service = make();
        auto no = std::vector<char>{};
        schema::encode(schema::call_failed{call.message.id, description->incarnation,
                                           schema::failure_code::overloaded,
                                           "there is not enough memory for this call"},
                       no);
        counters->failed.fetch_add(1);
        return expert_shard_state::computed{std::move(no), false};
      }
    };
  };
  const auto computing = std::make_shared<std::mutex>();
  auto helper =
      spawn_state<expert_shard_state, caf::detached>(sys, description, serve(), computing);
  return spawn_on_network<expert_shard_state>(sys, description, serve(), computing,
                                              std::move(helper));
}

// What answers for others as well stands before the shard.
expert_shard_actor start_relay(caf::actor_system& sys, const std::shared_ptr<reach_book>& book,
                               relay_options options) {
  options.view = book->view();
  auto relay = spawn_on_network<relay_state>(sys, std::move(options));
  book->tell(relay);
  return relay;
}

failure lost(const caf::error& why) {
  if (why == caf::sec::request_timeout)
    return fail(errc::deadline, "the node's actor does not answer");
  return fail(errc::unavailable, "the node's actor is gone: {}", text_of(why));
}

} // namespace

void measure_process(const experts::expert_bank& bank, schema::node_status& out) {
  out.owned_bytes = bank.owned_bytes();
  out.resident_bytes = bank.resident_bytes();
  auto in = std::ifstream{"/proc/self/statm"};
  auto all = std::uint64_t{0}, resident = std::uint64_t{0};
  if (in >> all >> resident)
    out.rss_bytes = resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  auto load = 0.0;
  if (::getloadavg(&load, 1) == 1)
    out.load_percent =
        static_cast<std::uint32_t>(load * 100 / std::max(1u, std::thread::hardware_concurrency()));
}

node_server::node_server(caf::actor_system& sys, node_server_options options)
    : sys_(sys),
      bank_(options.bank),
      last_answers_(options.last_answers),
      description_(std::make_shared<schema::node_description>(std::move(options.description))),
      counters_(std::make_shared<node_counters>(description_->owned.layers)) {
  auto o = node_options{};
  o.description = description_;
  o.state = description_->state;
  auto book = std::shared_ptr<reach_book>{};
  auto longest = std::chrono::milliseconds{0};
  if (options.reached) {
    longest = options.reached->limits.call_ceiling;
    reach_ =
        std::make_unique<reach>(sys, reach_options{*std::move(options.reached), description_,
                                                   options.tls, options.owned_digest, counters_});
    book = o.reach = reach_->book();
  }
  o.start_shard = [description = description_, compute = options.compute, &bank = options.bank,
                   before_call = options.before_call, counters = counters_, book,
                   longest](caf::actor_system& system) -> expert_shard_actor {
    auto shard = start_shard(system, description, compute, bank, before_call, counters);
    if (!book)
      return shard;
    return start_relay(system, book,
                       {description, std::move(shard), compute.k, {}, longest, counters});
  };
  o.measure = [&bank = options.bank](schema::node_status& s) { measure_process(bank, s); };
  o.restart_node = std::move(options.restart_node);
  counters_->state = description_->state;
  if (description_->owned_digest)
    counters_->set_owned_digest(*description_->owned_digest);
  counters_->mailboxes = mailboxes_of(sys);
  counters_->buffers = std::make_shared<memory_budget>(options.buffer_bytes);
  o.read_limit = options.read_limit;
  o.counters = counters_;
  o.uniform = jitter_source();
  if (options.sessions) {
    options.sessions->counters = counters_;
    sessions_ = spawn_state<session_desk_state, caf::detached>(sys, *std::move(options.sessions));
    o.sessions = sessions_;
  }
  node_ = spawn_state<node_supervisor_state>(sys, std::move(o));
  if (!options.listening)
    return;
  auto listen = std::move(options.listen);
  listen.on_failure = [counters = counters_, encrypted = options.tls != nullptr](auto step) {
    const auto tls = encrypted && step == handshake_step::tls;
    (tls ? counters->tls_failures : counters->handshake_failures).fetch_add(1);
  };
  listener_ = std::make_unique<listener>(
      std::move(options.listening), std::move(options.tls), std::move(listen),
      [node = node_, description = description_, counters = counters_, connections = connections_,
       book](secure_stream s, time_limit until) -> result<void> {
        if (!s.identity().may_call()) {
          (void) read_message(s, schema::max_hello_bytes, until); // or the answer would be lost
          return refuse(s, "your certificate is one of a node, expected a laptop or an operator",
                        until);
        }
        auto self = *description;
        self.state = counters->state; // as it is now, not as it began
        self.owned_digest = counters->owned_digest();
        if (book)
          self.reached = book->reached();
        // Counted first: whoever is answered finds itself among the connections.
        LARQL_TRY(auto hello,
                  greet_laptop(s, self, until, [&] { counters->connected.fetch_add(1); }));
        auto client = std::make_shared<accepted_client>();
        client->peer = s.peer();
        client->identity = s.identity();
        log_info(
            "listener", "{}: connected as \"{}\"{}", client->peer, hello.name,
            client->identity.name.empty()
                ? ""
                : fmt::format(" ({} {})", name_of(client->identity.role), client->identity.name));
        client->hello = std::move(hello);
        client->connection = make_pending_connection(std::move(s), connections);
        caf::anon_send(node, connect_atom::value, accepted_client_ptr{std::move(client)});
        return {};
      });
}

node_server::~node_server() {
  listener_.reset();
  caf::anon_send_exit(node_, caf::exit_reason::user_shutdown);
  reach_.reset();
  if (sessions_) { // it uses what its owner takes down next
    caf::anon_send_exit(sessions_, caf::exit_reason::user_shutdown);
    caf::scoped_actor {
      sys_
      } -> wait_for(sessions_);
  }
  connections_->close_within(last_answers_);
}

void node_server::set_answers(const std::optional<schema::fingerprint>& own) {
  if (own)
    counters_->own_answers = *own;
  counters_->answers.store(own ? schema::answers_state::own : schema::answers_state::known,
                           std::memory_order_release);
}

result<void> node_server::ready() {
  // Waits, so that whoever is told afterwards finds a node that serves.
  auto out = result<void>{};
  auto self = caf::scoped_actor{sys_};
  self->request(node_, std::chrono::seconds{10}, notice_atom::value, schema::node_state::serving)
      .receive([] {}, [&](const caf::error& err) { out = lost(err); });
  return out;
}

result<schema::node_state> node_server::ask(std::chrono::seconds limit) const {
  auto out = result<schema::node_state>{fail(errc::internal, "no state")};
  auto self = caf::scoped_actor{sys_};
  self->request(node_, limit, describe_atom::value)
      .receive([&](schema::node_state s) { out = s; },
               [&](const caf::error& err) { out = lost(err); });
  return out;
}

void node_server::adopt(accepted_client_ptr client) {
  caf::anon_send(node_, connect_atom::value, std::move(client));
}

void node_server::use_tls(tls_context_ptr tls) {
  if (reach_)
    reach_->use_tls(tls);
  if (listener_)
    listener_->use_tls(std::move(tls));
}

void node_server::stop_listening() {
  listener_.reset();
}

bool node_server::drain(std::chrono::seconds limit) {
  auto drained = false;
  auto self = caf::scoped_actor{sys_};
  self->request(node_, limit, drain_atom::value)
      .receive([&] { drained = true; },
               [](const caf::error& err) { log_warning("node", "drain: {}", text_of(err)); });
  return drained;
}

schema::node_status node_server::observe() const {
  auto out = schema::node_status{};
  out.incarnation = description_->incarnation;
  out.state = counters_->state;
  out.uptime_ms = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 std::chrono::steady_clock::now() - started_)
                                                 .count());
  out.served = counters_->served;
  out.failed = counters_->failed;
  out.waiting = counters_->waiting;
  out.connections = counters_->connections;
  out.restarts = counters_->restarts;
  counters_->tell_work(out);
  counters_->tell_answers(out);
  measure_process(bank_, out);
  return out;
}

result<schema::node_status> node_server::status(std::chrono::seconds limit) const {
  auto out = result<schema::node_status>{fail(errc::internal, "no status")};
  auto self = caf::scoped_actor{sys_};
  self->request(node_, limit, status_atom::value)
      .receive([&](const node_status_ptr& s) { out = *s; },
               [&](const caf::error& err) { out = fail(errc::unavailable, "{}", text_of(err)); });
  return out;
}

} // namespace larql::actors
