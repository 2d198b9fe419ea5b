#include "tests/support/wan_link.hpp"

#include "tests/support/random_weights.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace larql::test {
namespace {

using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::nanoseconds;

/// Read at once from a socket. Small enough that a piece takes 3 ms at 40 Mbit/s.
constexpr std::size_t piece_bytes = 16 * 1024;
constexpr std::size_t lateness_samples = 1024;

[[noreturn]] void raise(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class descriptor {
public:
  explicit descriptor(int fd = -1) : fd_(fd) {}
  descriptor(descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  descriptor& operator=(descriptor&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

private:
  int fd_;
};

sockaddr_in loopback(std::uint16_t port) {
  auto a = sockaddr_in{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return a;
}

descriptor tcp_socket() {
  auto fd = descriptor{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (fd.get() < 0)
    raise("socket");
  return fd;
}

void send_at_once(int fd) {
  const auto on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// The sender of one direction, of one connection or of all: when what is handed in at `now` has
/// left.
struct transmitter {
  clock::time_point busy_until{};

  clock::time_point send(clock::time_point now, std::size_t bytes, double rate,
                         clock::time_point stalled_until) {
    const auto start = std::max({now, busy_until, stalled_until});
    const auto takes =
        rate > 0 ? nanoseconds{static_cast<std::int64_t>(static_cast<double>(bytes) / rate * 1e9)}
                 : nanoseconds{0};
    busy_until = start + takes;
    return busy_until;
  }
  /// Until when the queue is too full to take more; a time in the past if it is not.
  [[nodiscard]] clock::time_point full_until(double rate, std::size_t queue) const {
    if (rate <= 0)
      return {};
    return busy_until -
           nanoseconds{static_cast<std::int64_t>(static_cast<double>(queue) / rate * 1e9)};
  }
};

/// Bytes on their way; none: the end of the stream.
struct piece {
  clock::time_point due;
  std::vector<char> bytes;
  std::size_t sent = 0;
};

struct direction {
  int from = -1, to = -1;
  bool up = false;
  transmitter own;
  std::deque<piece> on_way;
  clock::time_point last_due{};
  bool ended = false;   ///< the source has said so
  bool blocked = false; ///< the destination takes nothing now
};

struct connection {
  descriptor client, server;
  direction up, down;
  bool broken = false;

  [[nodiscard]] bool is_over() const {
    return broken || (up.ended && down.ended && up.on_way.empty() && down.on_way.empty());
  }
};

} // namespace

class wan_link::proxy {
public:
  proxy(std::uint16_t target_port, const wan_profile& profile)
      : target_(loopback(target_port)),
        profile_(profile),
        random_(profile.seed),
        listener_(tcp_socket()),
        wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        next_stall_(clock::now() + stall_gap()) {
    auto address = loopback(0);
    auto length = socklen_t{sizeof address};
    if (wake_.get() < 0 ||
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_.get(), 128) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
      raise("wan_link");
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread{[this](std::stop_token stop) { run(stop); }};
  }
  ~proxy() {
    thread_.request_stop();
    wake();
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  wan_accuracy accuracy() const {
    const auto lock = std::lock_guard{mutex_};
    auto out = accuracy_;
    auto sorted = lateness_;
    if (!sorted.empty()) {
      const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
      std::nth_element(sorted.begin(), middle, sorted.end());
      out.median_lateness = *middle;
    }
    return out;
  }
  std::size_t connections() const {
    const auto lock = std::lock_guard{mutex_};
    return connections_.size();
  }
  /// Changes what the thread reads, and wakes it.
  template <class F>
  void change(F f) {
    {
      const auto lock = std::lock_guard{mutex_};
      f();
    }
    wake();
  }
  void set_profile(const wan_profile& p) {
    change([&] {
      profile_ = p;
      next_stall_ = clock::now() + stall_gap();
    });
  }
  void set_paused(bool paused) {
    change([&] { paused_ = paused; });
  }
  void cut() {
    change([&] { cut_ = true; });
  }

private:
  void wake() {
    const auto one = std::uint64_t{1};
    [[maybe_unused]] const auto n = ::write(wake_.get(), &one, sizeof one);
  }

  nanoseconds fraction_of(nanoseconds t) {
    return nanoseconds{static_cast<std::int64_t>(static_cast<double>(t.count()) *
                                                 random_.below(1u << 20) / (1u << 20))};
  }
  nanoseconds stall_gap() { return profile_.stall_every / 2 + fraction_of(profile_.stall_every); }

  void run(const std::stop_token& stop) {
    ::prctl(PR_SET_TIMERSLACK, 1UL); // the kernel's usual 50 microseconds would be our error
    auto polled = std::vector<pollfd>{};
    while (!stop.stop_requested()) {
      auto until = std::optional<clock::time_point>{};
      {
        const auto lock = std::lock_guard{mutex_};
        until = step(clock::now());
        polled.assign({{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}});
        for (const auto& c : connections_)
          for (const auto* d : {&c.up, &c.down}) {
            if (!d->ended && !is_full(*d, clock::now()))
              polled.push_back({d->from, POLLIN, 0});
            if (d->blocked)
              polled.push_back({d->to, POLLOUT, 0});
          }
      }
      wait(polled, until);
      drain_wake();
    }
  }

  static void wait(std::vector<pollfd>& polled, std::optional<clock::time_point> until) {
    if (!until) {
      ::ppoll(polled.data(), polled.size(), nullptr, nullptr);
      return;
    }
    const auto left = std::max(nanoseconds{0}, nanoseconds{*until - clock::now()});
    const auto t = timespec{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    ::ppoll(polled.data(), polled.size(), &t, nullptr);
  }
  void drain_wake() {
    auto count = std::uint64_t{};
    [[maybe_unused]] const auto n = ::read(wake_.get(), &count, sizeof count);
  }

  /// Moves what can be moved now; when the next thing is due, if anything is.
  std::optional<clock::time_point> step(clock::time_point now) {
    accept_all(now);
    if (std::exchange(cut_, false))
      connections_.clear();
    if (profile_.stall_every > nanoseconds{0} && now >= next_stall_) {
      stalled_until_ = now + profile_.stall_length;
      next_stall_ = stalled_until_ + stall_gap();
      ++accuracy_.stalls;
    }
    auto next = std::optional<clock::time_point>{};
    const auto sooner = [&next](clock::time_point t) { next = next ? std::min(*next, t) : t; };
    for (auto& c : connections_)
      for (auto* d : {&c.up, &c.down}) {
        take_in(c, *d, now);
        hand_out(c, *d, now);
        if (!d->on_way.empty() && !d->blocked && !paused_)
          sooner(d->on_way.front().due);
        if (!d->ended && is_full(*d, now))
          sooner(sender_of(*d).full_until(rate_of(*d), profile_.queue_bytes));
      }
    std::erase_if(connections_, [](const connection& c) { return c.is_over(); });
    return next;
  }

  void accept_all(clock::time_point now) {
    for (;;) {
      auto client =
          descriptor{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (client.get() < 0)
        return;
      auto server = tcp_socket();
      if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&target_), sizeof target_) !=
              0 &&
          errno != EINPROGRESS)
        continue; // the client sees its connection end
      send_at_once(client.get());
      send_at_once(server.get());
      const auto in = client.get(), out = server.get();
      auto& c = connections_.emplace_back(connection{std::move(client), std::move(server), {}, {}});
      c.up.from = c.down.to = in;
      c.up.to = c.down.from = out;
      c.up.up = true;
      c.up.last_due = c.down.last_due = now + profile_.round_trip + profile_.round_trip / 2;
    }
  }

  transmitter& sender_of(direction& d) { return profile_.shared ? shared_[d.up] : d.own; }
  [[nodiscard]] double rate_of(const direction& d) const {
    return d.up ? profile_.up_bytes_per_second : profile_.down_bytes_per_second;
  }
  /// A direction is not read from while its queue is full, or while its destination takes nothing.
  [[nodiscard]] bool is_full(const direction& d, clock::time_point now) const {
    const auto& sender = profile_.shared ? shared_[d.up] : d.own;
    return sender.full_until(rate_of(d), profile_.queue_bytes) > now ||
           (d.blocked && d.on_way.size() > 64);
  }

  void take_in(connection& c, direction& d, clock::time_point now) {
    while (!d.ended && !c.broken && !is_full(d, now)) {
      char buffer[piece_bytes];
      const auto n = ::recv(d.from, buffer, sizeof buffer, 0);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0) {
        // A connection to the target that is not there yet reports ENOTCONN.
        c.broken = errno != EAGAIN && errno != ENOTCONN;
        return;
      }
      d.ended = n == 0;
      const auto left =
          sender_of(d).send(now, static_cast<std::size_t>(n), rate_of(d), stalled_until_);
      d.last_due =
          std::max(d.last_due, left + profile_.round_trip / 2 + fraction_of(profile_.jitter));
      d.on_way.push_back({d.last_due, {buffer, buffer + n}, 0});
    }
  }

  void hand_out(connection& c, direction& d, clock::time_point now) {
    d.blocked = false;
    while (!paused_ && !c.broken && !d.on_way.empty() && d.on_way.front().due <= now) {
      auto& p = d.on_way.front();
      if (p.bytes.empty()) {
        ::shutdown(d.to, SHUT_WR);
      } else {
        const auto n = ::send(d.to, p.bytes.data() + p.sent, p.bytes.size() - p.sent, MSG_NOSIGNAL);
        if (n < 0) {
          d.blocked = errno == EAGAIN || errno == ENOTCONN || errno == EINPROGRESS;
          c.broken = !d.blocked && errno != EINTR;
          return;
        }
        note_delivery(d, p, now, static_cast<std::size_t>(n));
        p.sent += static_cast<std::size_t>(n);
        if (p.sent < p.bytes.size())
          continue;
      }
      d.on_way.pop_front();
    }
  }

  void note_delivery(const direction& d, const piece& p, clock::time_point now, std::size_t bytes) {
    (d.up ? accuracy_.up_bytes : accuracy_.down_bytes) += bytes;
    if (p.sent != 0)
      return;
    const auto late = nanoseconds{now - p.due};
    accuracy_.worst_lateness = std::max(accuracy_.worst_lateness, late);
    if (lateness_.size() < lateness_samples)
      lateness_.push_back(late);
    else
      lateness_[accuracy_.pieces % lateness_samples] = late;
    ++accuracy_.pieces;
  }

  const sockaddr_in target_;
  mutable std::mutex mutex_; // guards what follows
  wan_profile profile_;
  random_source random_;
  descriptor listener_, wake_;
  std::uint16_t port_ = 0;
  std::list<connection> connections_;
  std::array<transmitter, 2> shared_; // down, up
  clock::time_point stalled_until_{}, next_stall_;
  bool paused_ = false, cut_ = false;
  wan_accuracy accuracy_;
  std::vector<nanoseconds> lateness_;
  std::jthread thread_; // last: it uses all the others
};

wan_link::wan_link(std::uint16_t target_port, const wan_profile& profile)
    : proxy_(std::make_unique<proxy>(target_port, profile)) {}
wan_link::~wan_link() = default;
std::uint16_t wan_link::port() const noexcept {
  return proxy_->port();
}
wan_accuracy wan_link::accuracy() const {
  return proxy_->accuracy();
}
std::size_t wan_link::connections() const {
  return proxy_->connections();
}
void wan_link::set_profile(const wan_profile& profile) {
  proxy_->set_profile(profile);
}
void wan_link::pause() {
  proxy_->set_paused(true);
}
void wan_link::resume() {
  proxy_->set_paused(false);
}
void wan_link::cut() {
  proxy_->cut();
}

} // namespace larql::test
