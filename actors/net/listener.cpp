#include "actors/net/listener.hpp"

#include "actors/net/handshake_hints.hpp"
#include "runtime/base/log.hpp"

#include <poll.h>
#include <sys/socket.h>

namespace larql::actors {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds{200};
// How long a connection may wait for a place. Longer than an ordinary handshake takes, so that a
// burst of laptops is served; short against the time that silent peers may hold a place.
constexpr auto place_timeout = std::chrono::milliseconds{100};

} // namespace

listener::listener(socket listening, tls_context_ptr tls, listener_options options, greet_fn greet)
    : listening_(std::move(listening)),
      tls_(std::move(tls)),
      options_(std::move(options)),
      greet_(std::move(greet)),
      acceptor_([this] { accept_loop(); }) {}

listener::~listener() {
  stop_.store(true);
  acceptor_.join();
  // Handshake threads end by their deadline and use nothing of ours after they left.
  auto lock = std::unique_lock{mutex_};
  left_.wait(lock, [this] { return handshakes_ == 0; });
}

bool listener::enter() {
  auto lock = std::unique_lock{mutex_};
  if (!left_.wait_for(lock, place_timeout,
                      [this] { return handshakes_ < options_.max_handshakes; }))
    return false;
  ++handshakes_;
  return true;
}

void listener::leave() {
  const auto lock = std::scoped_lock{mutex_};
  --handshakes_;
  left_.notify_all();
}

void listener::accept_loop() {
  while (!stop_.load()) {
    auto p = pollfd{listening_.fd(), POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(poll_interval.count())) <= 0)
      continue;
    auto s = socket{::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!s) {
      // Out of descriptors, or the peer is gone already: try again in a moment.
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
      continue;
    }
    if (!enter())
      continue; // closes it
    try {
      std::thread{[this, s = std::move(s)]() mutable {
        if (const auto ok = serve(std::move(s)); !ok) {
          failed_.fetch_add(1);
          log_warning("listener", "{}", ok.error().text);
        }
        leave();
      }}.detach();
    } catch (const std::system_error& e) { // no thread to be had
      leave();
      log_warning("listener", "cannot start a handshake: {}", e.what());
    }
  }
}

result<void> listener::serve(socket s) {
  const auto until = std::chrono::steady_clock::now() + options_.handshake_timeout;
  LARQL_TRY_VOID(prepare(s));
  auto connection = secure_stream::accepted(std::move(s), tls_, until);
  if (!connection) {
    options_.on_failure(handshake_step::tls);
    return with_hint(std::move(connection).error(), tls_);
  }
  auto greeted = greet_(*std::move(connection), until);
  if (!greeted)
    options_.on_failure(handshake_step::greeting);
  return greeted;
}

} // namespace larql::actors
