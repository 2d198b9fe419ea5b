#include "actors/net/listener.hpp"

#include "actors/net/handshake_hints.hpp"
#include "runtime/base/log.hpp"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <new>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace larql::actors {

namespace {

constexpr auto poll_interval = std::chrono::milliseconds{200};
// How soon those who have spoken and found no place are looked at again.
constexpr auto retry_interval = std::chrono::milliseconds{10};
// Accepted before those who have spoken are greeted.
constexpr auto accepts_in_a_row = 64;

// A peer that has left without a word needs no thread.
bool has_left(int fd) {
  auto byte = char{};
  const auto n = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

} // namespace

listener::listener(socket listening, tls_context_ptr tls, listener_options options, greet_fn greet)
    : listening_(std::move(listening)),
      tls_(std::move(tls)),
      options_(std::move(options)),
      greet_(std::move(greet)),
      silent_(options_.max_silent, options_.silent_per_address) {
  const auto flags = ::fcntl(listening_.fd(), F_GETFL);
  ::fcntl(listening_.fd(), F_SETFL, flags | O_NONBLOCK); // a peer may be gone before accept()
  acceptor_ = std::thread{[this] { accept_loop(); }};
}

listener::~listener() {
  stop_.store(true);
  acceptor_.join();
  // Handshake threads end by their deadline and use nothing of ours after they left.
  auto lock = std::unique_lock{mutex_};
  left_.wait(lock, [this] { return handshakes_ == 0; });
}

void listener::use_tls(tls_context_ptr tls) {
  const auto lock = std::scoped_lock{mutex_};
  tls_ = std::move(tls);
}

bool listener::enter(const std::string& address) {
  const auto lock = std::scoped_lock{mutex_};
  if (handshakes_ >= options_.max_handshakes)
    return false;
  auto& of_address = by_address_[address]; // may throw: nothing has been taken yet
  if (of_address >= options_.handshakes_per_address)
    return false;
  ++handshakes_;
  ++of_address;
  return true;
}

void listener::leave(const std::string& address) {
  const auto lock = std::scoped_lock{mutex_};
  --handshakes_;
  if (const auto it = by_address_.find(address); --it->second == 0)
    by_address_.erase(it);
  left_.notify_all();
}

void listener::accept_loop() {
  while (!stop_.load()) {
    try {
      auto fds = std::vector<pollfd>{{listening_.fd(), POLLIN, 0}};
      for (const auto& p : silent_.all())
        fds.push_back({p.connection.fd(), POLLIN, 0});
      (void) ::poll(fds.data(), fds.size(), static_cast<int>(poll_interval.count()));
      greet_those_who_spoke(std::span{fds}.subspan(1));
      if ((fds[0].revents & POLLIN) != 0)
        accept_all();
      for (auto n = silent_.close_overdue(std::chrono::steady_clock::now()); n > 0; --n) {
        failed_.fetch_add(1);
        options_.on_failure(handshake_step::tls);
      }
    } catch (const std::exception& e) { // memory
      log_warning("listener", "{}", e.what());
      std::this_thread::sleep_for(poll_interval);
    }
  }
}

void listener::accept_all() {
  for (auto i = 0; i < accepts_in_a_row; ++i) {
    auto s = socket{::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!s) {
      // Out of descriptors: the oldest silent peer gives its own back.
      if ((errno == EMFILE || errno == ENFILE) && !silent_.all().empty())
        silent_.all().pop_front();
      else if (errno != EAGAIN && errno != EWOULDBLOCK)
        std::this_thread::sleep_for(retry_interval);
      return;
    }
    auto address = silent_peers::address_of(s);
    const auto until = std::chrono::steady_clock::now() + options_.handshake_timeout;
    silent_.add({std::move(s), std::move(address), until});
  }
}

void listener::greet_those_who_spoke(std::span<const pollfd> seen) {
  auto waiting = false;
  auto it = silent_.all().begin();
  for (const auto& fd : seen) {
    const auto peer = it++;
    if (fd.revents == 0)
      continue;
    if (has_left(peer->connection.fd())) {
      silent_.all().erase(peer);
      failed_.fetch_add(1);
      options_.on_failure(handshake_step::tls);
      continue;
    }
    if (!enter(peer->address)) {
      waiting = true;
      continue;
    }
    auto taken = std::move(*peer);
    silent_.all().erase(peer);
    start(std::move(taken));
  }
  if (waiting) // poll() would return at once
    std::this_thread::sleep_for(retry_interval);
}

void listener::start(silent_peer peer) {
  const auto address = std::move(peer.address); // entered; whatever happens, it leaves
  const auto greet = [this, address](socket connection, time_limit until) {
    try {
      if (const auto ok = serve(std::move(connection), until); !ok) {
        failed_.fetch_add(1);
        log_warning("listener", "{}", ok.error().text);
      }
    } catch (const std::exception& e) { // memory: ends this connection only
      log_warning("listener", "a connection was closed: {}", e.what());
    }
    leave(address);
  };
  try {
    const auto shared = std::make_shared<silent_peer>(std::move(peer));
    try {
      std::thread{[greet, shared] {
        greet(std::move(shared->connection), shared->until);
      }}.detach();
    } catch (const std::system_error&) {
      // No thread to be had: this one greets, and others wait, at most until the peer's limit.
      greet(std::move(shared->connection), shared->until);
    }
  } catch (const std::bad_alloc&) {
    leave(address);
    log_warning("listener", "cannot start a handshake: no memory");
  }
}

result<void> listener::serve(socket s, time_limit until) {
  LARQL_TRY_VOID(prepare(s));
  auto tls = tls_context_ptr{};
  {
    const auto lock = std::scoped_lock{mutex_};
    tls = tls_;
  }
  auto connection = secure_stream::accepted(std::move(s), tls, until);
  if (!connection) {
    options_.on_failure(handshake_step::tls);
    return with_hint(std::move(connection).error(), tls);
  }
  auto greeted = greet_(*std::move(connection), until);
  if (!greeted)
    options_.on_failure(handshake_step::greeting);
  return greeted;
}

} // namespace larql::actors
