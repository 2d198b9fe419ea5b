#include "actors/net/socket.hpp"

#include "runtime/base/mapped_file.hpp" // errno_text

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace larql::actors {

namespace {

int milliseconds_left(time_limit until) {
  using namespace std::chrono;
  const auto left = duration_cast<milliseconds>(until - steady_clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(std::min<std::int64_t>(left, 1 << 30));
}

std::string text_of(const sockaddr_storage& address) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  const auto size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size), host,
                    sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "unknown address";
  return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                       : fmt::format("{}:{}", host, port);
}

struct free_addresses {
  void operator()(addrinfo* p) const noexcept { ::freeaddrinfo(p); }
};
using addresses = std::unique_ptr<addrinfo, free_addresses>;

result<addresses> resolve(const endpoint& e, int flags) {
  auto hints = addrinfo{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const auto code = ::getaddrinfo(e.host.c_str(), std::to_string(e.port).c_str(), &hints, &found);
  if (code != 0)
    return fail(errc::unavailable, "{}: {}", to_string(e), ::gai_strerror(code));
  return addresses{found};
}

// As the system orders them, but families by turns (RFC 8305): a machine whose IPv6 leads nowhere
// then tries an IPv4 address second.
void append(const addrinfo* found, std::vector<numeric_address>& out) {
  auto all = std::vector<const addrinfo*>{};
  for (; found != nullptr; found = found->ai_next)
    all.push_back(found);
  for (auto family = all.empty() ? 0 : all.front()->ai_family; !all.empty();) {
    auto it = std::find_if(all.begin(), all.end(),
                           [family](const addrinfo* a) { return a->ai_family == family; });
    if (it == all.end())
      it = all.begin();
    auto& a = out.emplace_back();
    a.size = (*it)->ai_addrlen;
    std::memcpy(&a.bytes, (*it)->ai_addr, a.size);
    family = (*it)->ai_family == AF_INET6 ? AF_INET : AF_INET6;
    all.erase(it);
  }
}

constexpr int most_unsent_bytes = 128 * 1024;

// How long an address may keep the next one waiting (RFC 8305).
constexpr auto head_start = std::chrono::milliseconds{250};

// Connects to several addresses of a name, each a head start after the one before it, and keeps the
// first that answers.
class connection_race {
public:
  explicit connection_race(std::string name)
      : name_(std::move(name)),
        last_(fail(errc::unavailable, "{}: resolves to no address", name_)) {}

  result<socket> run(std::span<const numeric_address> waiting, time_limit until) {
    auto next_at = time_limit{};
    for (;;) {
      const auto now = std::chrono::steady_clock::now();
      if (!waiting.empty() && (under_way_.empty() || now >= next_at)) {
        begin(waiting.front());
        waiting = waiting.subspan(1);
        next_at = now + head_start;
      }
      if (under_way_.empty() && waiting.empty())
        return last_;
      if (under_way_.empty())
        continue;
      if (auto s = connected_by(waiting.empty() ? until : std::min(until, next_at)))
        return s;
      if (!under_way_.empty() && std::chrono::steady_clock::now() >= until)
        return fail(errc::deadline, "{}: connect: no answer in time", name_);
    }
  }

private:
  void begin(const numeric_address& a) {
    auto s = socket{::socket(a.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!s)
      last_ = fail(errc::io, "{}: socket: {}", name_, errno_text(errno));
    else if (::connect(s.fd(), reinterpret_cast<const sockaddr*>(&a.bytes), a.size) == 0 ||
             errno == EINPROGRESS)
      under_way_.push_back(std::move(s));
    else
      last_ = fail(errc::unavailable, "{}: connect: {}", name_, errno_text(errno));
  }

  // The first that is connected by then, or the last error; forgets those that were refused.
  result<socket> connected_by(time_limit until) {
    auto events = std::vector<pollfd>{};
    for (const auto& s : under_way_)
      events.push_back({s.fd(), POLLOUT, 0});
    (void) ::poll(events.data(), events.size(), milliseconds_left(until));
    for (auto i = events.size(); i-- != 0;) {
      if (events[i].revents == 0)
        continue;
      auto s = std::move(under_way_[i]);
      under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(i));
      auto code = 0;
      auto size = socklen_t{sizeof code};
      ::getsockopt(s.fd(), SOL_SOCKET, SO_ERROR, &code, &size);
      auto ready = code == 0 ? prepare(s) : result<void>{};
      if (code == 0 && ready)
        return s;
      last_ = code != 0 ? fail(errc::unavailable, "{}: connect: {}", name_, errno_text(code))
                        : std::move(ready).error();
    }
    return last_;
  }

  std::string name_;
  failure last_; // of those that did not connect
  std::vector<socket> under_way_;
};

} // namespace

bool wait_for(int fd, short events, time_limit until) {
  for (;;) {
    auto p = pollfd{fd, events, 0};
    const auto n = ::poll(&p, 1, milliseconds_left(until));
    if (n > 0)
      return true;
    if (n == 0 || errno != EINTR)
      return false;
  }
}

socket::socket(socket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), peer_(std::move(other.peer_)) {}

socket& socket::operator=(socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(peer_, other.peer_);
  return *this;
}

socket::~socket() {
  close();
}

int socket::release() noexcept {
  return std::exchange(fd_, -1);
}

void socket::close() noexcept {
  if (fd_ >= 0)
    ::close(std::exchange(fd_, -1));
}

std::string socket::peer() const {
  if (!peer_.empty())
    return peer_;
  auto address = sockaddr_storage{};
  auto size = socklen_t{sizeof address};
  if (::getpeername(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return "unconnected";
  return text_of(address);
}

result<void> socket::read(std::span<char> out, time_limit until) const {
  while (!out.empty()) {
    const auto n = ::recv(fd_, out.data(), out.size(), 0);
    if (n > 0) {
      out = out.subspan(static_cast<std::size_t>(n));
    } else if (n == 0) {
      return fail(errc::unavailable, "{}: closed the connection", peer());
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd_, POLLIN, until))
        return fail(errc::deadline, "{}: no answer in time", peer());
    } else if (errno != EINTR) {
      return fail(errc::unavailable, "{}: read: {}", peer(), errno_text(errno));
    }
  }
  return {};
}

result<void> socket::write(std::span<const char> bytes, time_limit until) const {
  while (!bytes.empty()) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(fd_, POLLOUT, until))
        return fail(errc::deadline, "{}: took no data in time", peer());
    } else if (errno != EINTR) {
      return fail(errc::unavailable, "{}: write: {}", peer(), errno_text(errno));
    }
  }
  return {};
}

std::string to_string(const endpoint& e) {
  return e.host.find(':') == std::string::npos ? fmt::format("{}:{}", e.host, e.port)
                                               : fmt::format("[{}]:{}", e.host, e.port);
}

result<void> prepare(socket& s) {
  s.remember_peer();
  const auto flags = ::fcntl(s.fd(), F_GETFL);
  if (flags < 0 || ::fcntl(s.fd(), F_SETFL, flags | O_NONBLOCK) != 0)
    return fail(errc::io, "{}: fcntl: {}", s.peer(), errno_text(errno));
  const auto on = 1;
  // A decode row is one small message each way: Nagle's algorithm would add 40 ms to each.
  if (::setsockopt(s.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      ::setsockopt(s.fd(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0 ||
      // What the system holds unsent, nothing overtakes: 10 ms at 100 Mbit/s.
      ::setsockopt(s.fd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most_unsent_bytes,
                   sizeof most_unsent_bytes) != 0)
    return fail(errc::io, "{}: setsockopt: {}", s.peer(), errno_text(errno));
  return {};
}

result<numeric_address> numeric(const endpoint& e) {
  LARQL_TRY(const auto found, resolve(e, AI_NUMERICHOST));
  auto out = numeric_address{};
  out.size = found->ai_addrlen;
  std::memcpy(&out.bytes, found->ai_addr, out.size);
  return out;
}

void hang_up(int fd) noexcept {
  ::shutdown(fd, SHUT_RDWR);
}

result<socket> dial(const endpoint& to, time_limit until) {
  LARQL_TRY(const auto found, resolve(to, 0));
  auto addresses = std::vector<numeric_address>{};
  append(found.get(), addresses);
  return connection_race{to_string(to)}.run(addresses, until);
}

result<socket> dial_any(std::span<const endpoint> numeric, time_limit until) {
  auto addresses = std::vector<numeric_address>{};
  auto name = std::string{};
  for (const auto& e : numeric) {
    LARQL_TRY(const auto found, resolve(e, AI_NUMERICHOST));
    append(found.get(), addresses);
    name += (name.empty() ? "" : ", ") + to_string(e);
  }
  return connection_race{name}.run(addresses, until);
}

result<std::vector<std::string>> resolve_all(const endpoint& name) {
  LARQL_TRY(const auto found, resolve(name, 0));
  auto out = std::vector<std::string>{};
  for (const auto* a = found.get(); a != nullptr; a = a->ai_next) {
    char host[NI_MAXHOST];
    if (::getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST) ==
        0)
      out.emplace_back(host);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

result<socket> listen_on(const endpoint& at) {
  LARQL_TRY(const auto found, resolve(at, AI_PASSIVE));
  const auto on = 1;
  auto s = socket{::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!s || ::setsockopt(s.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(s.fd(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(s.fd(), 128) != 0)
    return fail(errc::io, "cannot listen on {}: {}", to_string(at), errno_text(errno));
  return s;
}

std::uint16_t local_port(const socket& s) {
  auto address = sockaddr_storage{};
  auto size = socklen_t{sizeof address};
  if (::getsockname(s.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return 0;
  const auto port = address.ss_family == AF_INET6
                        ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                        : reinterpret_cast<const sockaddr_in&>(address).sin_port;
  return ntohs(port);
}

bool is_loopback(const std::string& host) {
  auto v4 = in_addr{};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1)
    return (ntohl(v4.s_addr) >> 24) == 127;
  auto v6 = in6_addr{};
  if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

} // namespace larql::actors
