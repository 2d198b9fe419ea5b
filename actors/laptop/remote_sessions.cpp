#include "actors/laptop/remote_sessions.hpp"

#include "actors/net/dial.hpp"
#include "actors/net/tls_context.hpp"
#include "runtime/base/jitter.hpp"

#include <mutex>
#include <system_error>
#include <thread>

namespace larql::actors {

/// Dials, and starts this process's own service, in threads that may outlive their owner; nothing
/// is sent after it.
class remote_sessions::dialler : public std::enable_shared_from_this<dialler> {
public:
  dialler(tls_context_ptr tls, schema::hello hello, std::chrono::milliseconds timeout,
          std::function<result<session_actor>()> own)
      : tls_(std::move(tls)), hello_(std::move(hello)), timeout_(timeout), own_(std::move(own)) {}

  void report_to(const remote_session_actor& to) {
    const auto lock = std::scoped_lock{mutex_};
    to_ = to;
  }
  void end() {
    report_to({});
    if (starting_.joinable())
      starting_.join(); // it uses what its owner takes down next
  }

  void dial(std::uint64_t attempt, const topology::shard_url& url) {
    const auto started = start([self = shared_from_this(), attempt, url] {
      auto outcome = std::make_shared<connect_result>();
      outcome->address = host_port(url);
      auto node = dial_node(url, self->tls_, self->hello_,
                            std::chrono::steady_clock::now() + self->timeout_);
      if (node) {
        outcome->node =
            description_ptr{std::make_shared<schema::node_description>(node->description)};
        outcome->connection = make_pending_connection(std::move(node->connection));
      } else {
        outcome->node = std::move(node).error();
      }
      self->send(dialled_atom::value, attempt, std::move(outcome));
    });
    if (started)
      return;
    auto outcome = std::make_shared<connect_result>();
    outcome->node = fail(errc::io, "{}: no thread to dial with", to_string(url));
    send(dialled_atom::value, attempt, std::move(outcome));
  }

  void start_own() {
    const auto work = [this] {
      auto out = std::make_shared<own_service>();
      auto service = own_();
      if (service)
        out->service = *std::move(service);
      else
        out->failed = std::move(service).error();
      send(start_atom::value, own_service_ptr{std::move(out)});
    };
    try {
      starting_ = std::thread{work}; // once
    } catch (const std::system_error& e) {
      auto out = std::make_shared<own_service>();
      out->failed = fail(errc::io, "no thread to start it: {}", e.what());
      send(start_atom::value, own_service_ptr{std::move(out)});
    }
  }

private:
  static bool start(std::function<void()> work) {
    try {
      std::thread{std::move(work)}.detach();
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }

  template <class... Ts>
  void send(Ts&&... xs) {
    const auto lock = std::scoped_lock{mutex_};
    if (to_)
      caf::anon_send(to_, std::forward<Ts>(xs)...);
  }

  tls_context_ptr tls_;
  schema::hello hello_;
  std::chrono::milliseconds timeout_;
  std::function<result<session_actor>()> own_;
  std::mutex mutex_; // of to_
  remote_session_actor to_;
  std::thread starting_;
};

result<std::unique_ptr<remote_sessions>> remote_sessions::open(caf::actor_system& sys,
                                                               remote_sessions_options options,
                                                               const std::stop_token& stop) {
  auto out = std::unique_ptr<remote_sessions>{new remote_sessions{sys}};
  LARQL_TRY(auto tls, tls_context::from(options.protect));
  auto hello = schema::hello{};
  hello.name = "larql";
  hello.model = options.model;
  const auto has_own = static_cast<bool>(options.own);
  out->dialler_ = std::make_shared<dialler>(std::move(tls), std::move(hello),
                                            options.limits.connect, std::move(options.own));
  auto o = remote_session_options{};
  o.places = std::move(options.places);
  o.identity = options.identity;
  o.limits = options.sessions.limits;
  o.dial = [d = out->dialler_](std::uint64_t attempt, const topology::shard_url& url) {
    d->dial(attempt, url);
  };
  if (has_own)
    o.start_own = [d = out->dialler_] { d->start_own(); };
  o.on_news = std::move(options.on_news);
  o.uniform = jitter_source();
  o.heartbeat = options.limits.heartbeat;
  o.misses = options.limits.heartbeat_misses;
  out->options_ = std::move(options.sessions);
  out->actor_ = spawn_broker<remote_session_state>(sys, std::move(o));
  out->dialler_->report_to(out->actor_);
  LARQL_TRY_VOID(out->wait_for_place(stop));
  return out;
}

result<void> remote_sessions::wait_for_place(const std::stop_token& stop) {
  auto out = result<void>{};
  const auto stopped = std::stop_callback{
      stop, [actor = actor_] { caf::anon_send_exit(actor, caf::exit_reason::user_shutdown); }};
  auto self = caf::scoped_actor{sys_};
  self->request(actor_, caf::infinite, start_atom::value)
      .receive(
          [&](const session_reply_ptr& r) {
            if (r->refused)
              out = r->refused->error;
            else
              options_.limits.context = static_cast<std::uint32_t>(r->id);
          },
          [&](const caf::error& e) {
            out = stop.stop_requested() ? fail(errc::cancelled, "stopped")
                                        : fail(errc::internal, "{}", text_of(e));
          });
  return out;
}

remote_sessions::~remote_sessions() {
  caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  caf::scoped_actor {
    sys_
    } -> wait_for(actor_);
  dialler_->end();
}

session_client remote_sessions::client() const {
  return session_client{sys_, caf::actor_cast<session_actor>(actor_)};
}

} // namespace larql::actors
