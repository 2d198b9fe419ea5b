#include "actors/calls/connector.hpp"

#include "actors/net/dial.hpp"
#include "runtime/base/log.hpp"

#include <mutex>
#include <system_error>
#include <thread>

namespace larql::actors {

struct connector::shared {
  schema::hello hello;
  std::chrono::milliseconds timeout{0};

  std::mutex mutex; // guards what follows
  tls_context_ptr tls;
  supervisor_actor to; // null before the first, and after the connector has gone
  bool ended = false;

  [[nodiscard]] tls_context_ptr tls_now() {
    const auto lock = std::scoped_lock{mutex};
    return tls;
  }
  [[nodiscard]] bool has_ended() {
    const auto lock = std::scoped_lock{mutex};
    return ended;
  }

  template <class... Ts>
  void send(Ts&&... xs) {
    const auto lock = std::scoped_lock{mutex};
    if (to)
      caf::anon_send(to, std::forward<Ts>(xs)...);
  }
};

namespace {

constexpr auto longest_late = std::chrono::seconds{1};

// False if no thread is to be had.
bool start_thread(std::function<void()> work) {
  try {
    std::thread{std::move(work)}.detach();
    return true;
  } catch (const std::system_error& e) {
    log_warning("connector", "cannot start a thread: {}", e.what());
    return false;
  }
}

// An attempt that ends long after its time was kept from running: most likely this process was
// stopped, and the node is not to blame. (Or the name server was slow: so once.)
result<dialled_node> dial_in_time(connector::shared& s, const topology::shard_url& url) {
  for (auto is_last = false;; is_last = true) {
    const auto until = std::chrono::steady_clock::now() + s.timeout;
    auto dialled = dial_node(url, s.tls_now(), s.hello, until);
    const auto was_stopped = std::chrono::steady_clock::now() > until + longest_late;
    if (is_last || dialled || dialled.error().code != errc::deadline || !was_stopped ||
        s.has_ended())
      return dialled;
  }
}

void dial_one(connector::shared& s, std::uint64_t target, const topology::shard_url& url) {
  auto outcome = std::make_shared<connect_result>();
  outcome->address = host_port(url);
  auto dialled = dial_in_time(s, url);
  if (dialled) {
    outcome->node =
        description_ptr{std::make_shared<schema::node_description>(dialled->description)};
    outcome->connection = make_pending_connection(std::move(dialled->connection));
  } else {
    outcome->node = std::move(dialled).error();
  }
  s.send(dialled_atom::value, target, connect_result_ptr{std::move(outcome)});
}

} // namespace

connector::connector(tls_context_ptr tls, schema::hello hello, std::chrono::milliseconds timeout)
    : shared_(std::make_shared<shared>()) {
  shared_->tls = std::move(tls);
  shared_->hello = std::move(hello);
  shared_->timeout = timeout;
}

connector::~connector() {
  const auto lock = std::scoped_lock{shared_->mutex};
  shared_->to = nullptr;
  shared_->ended = true;
}

void connector::use_tls(tls_context_ptr tls) {
  const auto lock = std::scoped_lock{shared_->mutex};
  shared_->tls = std::move(tls);
}

std::function<void(const supervisor_actor&)> connector::reports() {
  return [s = shared_](const supervisor_actor& supervisor) {
    const auto lock = std::scoped_lock{s->mutex};
    if (!s->ended)
      s->to = supervisor;
  };
}

connect_functions connector::functions() {
  const auto failed = [s = shared_](std::uint64_t target, const topology::shard_url& url) {
    auto outcome = std::make_shared<connect_result>();
    outcome->address = host_port(url);
    outcome->node = fail(errc::io, "{}: no thread to dial with", to_string(url));
    s->send(dialled_atom::value, target, connect_result_ptr{std::move(outcome)});
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
