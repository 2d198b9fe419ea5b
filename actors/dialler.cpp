#include "actors/dialler.hpp"

#include "actors/net/handshake.hpp"
#include "actors/net/handshake_hints.hpp"
#include "runtime/base/log.hpp"

#include <mutex>
#include <system_error>
#include <thread>

namespace larql::actors {

struct dialler::shared {
  tls_context_ptr tls;
  schema::hello hello;
  std::chrono::milliseconds timeout{0};

  std::mutex mutex;
  supervisor_actor to; // null before report_to() and after the dialler has gone

  template <class... Ts>
  void send(Ts&&... xs) {
    const auto lock = std::scoped_lock{mutex};
    if (to)
      caf::anon_send(to, std::forward<Ts>(xs)...);
  }
};

namespace {

// False if no thread is to be had.
bool start_thread(std::function<void()> work) {
  try {
    std::thread{std::move(work)}.detach();
    return true;
  } catch (const std::system_error& e) {
    log_warning("dialler", "cannot start a thread: {}", e.what());
    return false;
  }
}

void dial_one(dialler::shared& s, std::uint64_t target, const topology::shard_url& url) {
  auto outcome = std::make_shared<dial_outcome>();
  outcome->address = host_port(url);
  auto dialled = dial_node(url, s.tls, s.hello, std::chrono::steady_clock::now() + s.timeout);
  if (dialled) {
    outcome->node =
        description_ptr{std::make_shared<schema::node_description>(dialled->description)};
    outcome->connection = make_transport(std::move(dialled->connection));
  } else {
    outcome->node = std::move(dialled).error();
  }
  s.send(dialled_atom::value, target, dial_outcome_ptr{std::move(outcome)});
}

} // namespace

result<dialled_node> dial_node(const topology::shard_url& url, const tls_context_ptr& tls,
                               const schema::hello& hello, time_limit until) {
  const auto label = to_string(url);
  if (url.tls && !tls)
    return fail(errc::usage, "{}: needs certificates or a cluster secret", label);
  LARQL_TRY(auto s, dial({url.host, url.port}, until));
  const auto used = url.tls ? tls : nullptr;
  LARQL_TRY(auto connection, with_hint(stream::dialled(std::move(s), used, until), used));
  if (!connection.identity().may_serve())
    return fail(errc::mismatch, "{}: its certificate is one of a {}, expected a node", label,
                name_of(connection.identity().role));
  LARQL_TRY(auto greeted, with_hint(greet_node(connection, hello, until), used));
  if (const auto& proven = connection.identity().name; !proven.empty() && proven != greeted.node)
    return fail(errc::mismatch, "{}: calls itself {}, its certificate is for {}", label,
                greeted.node, proven);
  return dialled_node{std::move(greeted), std::move(connection)};
}

result<stream> dial_laptop(const topology::shard_url& at, const tls_context_ptr& tls,
                           time_limit until) {
  LARQL_TRY(auto s, dial({at.host, at.port}, until));
  LARQL_TRY(auto connection, with_hint(stream::dialled(std::move(s), tls, until), tls));
  if (connection.identity().role == peer_role::node)
    return fail(errc::mismatch, "{}: its certificate is one of a node, expected a laptop",
                host_port(at));
  return connection;
}

dialler::dialler(tls_context_ptr tls, schema::hello hello, std::chrono::milliseconds timeout)
    : shared_(std::make_shared<shared>()) {
  shared_->tls = std::move(tls);
  shared_->hello = std::move(hello);
  shared_->timeout = timeout;
}

dialler::~dialler() {
  const auto lock = std::scoped_lock{shared_->mutex};
  shared_->to = nullptr;
}

void dialler::report_to(const supervisor_actor& supervisor) {
  const auto lock = std::scoped_lock{shared_->mutex};
  shared_->to = supervisor;
}

dial_functions dialler::functions() {
  const auto failed = [s = shared_](std::uint64_t target, const topology::shard_url& url) {
    auto outcome = std::make_shared<dial_outcome>();
    outcome->address = host_port(url);
    outcome->node = fail(errc::io, "{}: no thread to dial with", to_string(url));
    s->send(dialled_atom::value, target, dial_outcome_ptr{std::move(outcome)});
  };
  return {[s = shared_, failed](std::uint64_t target, const topology::shard_url& url) {
            if (!start_thread([s, target, url] { dial_one(*s, target, url); }))
              failed(target, url);
          },
          [s = shared_](const topology::shard_url& name) {
            const auto started = start_thread([s, name] {
              auto found = resolve_all({name.host, name.port});
              auto urls = std::make_shared<std::vector<topology::shard_url>>();
              if (!found)
                log_warning("discovery", "{}", found.error().text);
              else
                for (const auto& host : *found)
                  urls->push_back({host, name.port, name.tls});
              s->send(found_atom::value, host_port(name),
                      found ? address_list_ptr{std::move(urls)} : address_list_ptr{});
            });
            if (!started) // or the name would never be asked for again
              s->send(found_atom::value, host_port(name), address_list_ptr{});
          }};
}

} // namespace larql::actors
