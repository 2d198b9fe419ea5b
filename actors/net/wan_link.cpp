#include "actors/net/wan_link.hpp"

#include "runtime/base/mapped_file.hpp" // errno_text
#include "runtime/generate/random.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <list>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <poll.h>
#include <stop_token>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace larql::actors {
namespace {

using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::nanoseconds;

/// Read at once from a socket. Small enough that a piece takes 3 ms at 40 Mbit/s.
constexpr std::size_t piece_bytes = 16 * 1024;
/// Of a connection from its sender: what is here is on its way as far as the sender knows.
constexpr int receive_buffer_bytes = 64 * 1024;
constexpr std::size_t lateness_samples = 1024;
/// Pieces that may wait for a receiver that takes nothing.
constexpr std::size_t most_blocked_pieces = 64;

/// Bytes on their way; none: the end of the stream.
struct piece {
  wan_time due;
  std::vector<char> bytes;
  std::size_t sent = 0;
};

struct direction {
  direction(bool goes_up, const wan_profile& p)
      : up(goes_up), window(p, goes_up ? p.up_bytes_per_second : p.down_bytes_per_second) {}

  int from = -1, to = -1;
  bool up;
  wan_sender own;
  tcp_window window;
  std::deque<piece> on_way;
  wan_time last_due{};
  bool ended = false;   ///< the source has said so
  bool blocked = false; ///< the destination takes nothing now
};

struct connection {
  connection(socket c, socket s, const wan_profile& p)
      : client(std::move(c)), server(std::move(s)), up(true, p), down(false, p) {
    up.from = down.to = client.fd();
    up.to = down.from = server.fd();
  }

  socket client, server;
  direction up, down;
  bool broken = false;

  [[nodiscard]] bool is_over() const {
    return broken || (up.ended && down.ended && up.on_way.empty() && down.on_way.empty());
  }
};

struct target {
  numeric_address address;
  socket listener;
};

void hold_little(int fd) {
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
}
void send_at_once(int fd) {
  const auto on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

} // namespace

class wan_link::proxy {
public:
  proxy(std::vector<target> targets, const wan_profile& profile, socket wake)
      : targets_(std::move(targets)),
        profile_(profile),
        wake_(std::move(wake)),
        next_stall_(clock::now() + stall_gap()) {
    for (const auto& t : targets_)
      ports_.push_back(local_port(t.listener));
    thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
  }
  ~proxy() {
    thread_.request_stop();
    wake();
  }

  [[nodiscard]] std::uint16_t port(std::size_t i) const noexcept { return ports_[i]; }

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
    [[maybe_unused]] const auto n = ::write(wake_.fd(), &one, sizeof one);
  }

  nanoseconds fraction_of(nanoseconds t) {
    const auto share =
        static_cast<double>(generate::random_bits(profile_.seed, drawn_++)) * 0x1p-53;
    return nanoseconds{static_cast<std::int64_t>(static_cast<double>(t.count()) * share)};
  }
  nanoseconds stall_gap() { return profile_.stall_every / 2 + fraction_of(profile_.stall_every); }

  void run(const std::stop_token& stop) {
    ::prctl(PR_SET_TIMERSLACK, 1UL); // the kernel's usual 50 microseconds would be our error
    auto polled = std::vector<pollfd>{};
    while (!stop.stop_requested()) {
      auto until = std::optional<wan_time>{};
      {
        const auto lock = std::lock_guard{mutex_};
        const auto now = clock::now();
        until = step(now);
        polled.assign({{wake_.fd(), POLLIN, 0}});
        for (const auto& t : targets_)
          polled.push_back({t.listener.fd(), POLLIN, 0});
        for (auto& c : connections_)
          for (auto* d : {&c.up, &c.down}) {
            if (!d->ended && !full_until(*d, now))
              polled.push_back({d->from, POLLIN, 0});
            if (d->blocked)
              polled.push_back({d->to, POLLOUT, 0});
          }
      }
      wait(polled, until);
      auto count = std::uint64_t{};
      [[maybe_unused]] const auto n = ::read(wake_.fd(), &count, sizeof count);
    }
  }

  static void wait(std::vector<pollfd>& polled, std::optional<wan_time> until) {
    if (!until) {
      ::ppoll(polled.data(), polled.size(), nullptr, nullptr);
      return;
    }
    const auto left = std::max(nanoseconds{0}, nanoseconds{*until - clock::now()});
    const auto t = timespec{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    ::ppoll(polled.data(), polled.size(), &t, nullptr);
  }

  /// Moves what can be moved now; when the next thing is due, if anything is.
  std::optional<wan_time> step(wan_time now) {
    for (const auto& t : targets_)
      accept_all(t, now);
    if (std::exchange(cut_, false))
      connections_.clear();
    if (profile_.stall_every > nanoseconds{0} && now >= next_stall_) {
      stalled_until_ = now + profile_.stall_length;
      next_stall_ = stalled_until_ + stall_gap();
      ++accuracy_.stalls;
    }
    auto next = std::optional<wan_time>{};
    const auto sooner = [&next](wan_time t) { next = next ? std::min(*next, t) : t; };
    for (auto& c : connections_)
      for (auto* d : {&c.up, &c.down}) {
        take_in(c, *d, now);
        hand_out(c, *d, now);
        if (!d->on_way.empty() && !d->blocked && !paused_)
          sooner(d->on_way.front().due);
        if (const auto full = d->ended ? std::nullopt : full_until(*d, now);
            full && *full != wan_time::max())
          sooner(*full);
      }
    std::erase_if(connections_, [](const connection& c) { return c.is_over(); });
    return next;
  }

  void accept_all(const target& t, wan_time now) {
    for (;;) {
      auto client =
          socket{::accept4(t.listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
      if (!client)
        return;
      const auto& to = t.address;
      auto server =
          socket{::socket(to.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
      if (!server)
        continue; // the client sees its connection end
      hold_little(server.fd());
      if (::connect(server.fd(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0 &&
          errno != EINPROGRESS)
        continue;
      send_at_once(client.fd());
      send_at_once(server.fd());
      auto& c = connections_.emplace_back(std::move(client), std::move(server), profile_);
      c.up.last_due = c.down.last_due = now + profile_.round_trip + profile_.round_trip / 2;
    }
  }

  wan_sender& sender_of(direction& d) { return profile_.shared ? shared_[d.up] : d.own; }
  [[nodiscard]] double rate_of(const direction& d) const {
    return d.up ? profile_.up_bytes_per_second : profile_.down_bytes_per_second;
  }
  /// Until when a direction is not read from: its queue is full, its sender's window is used up,
  /// or, as long as may be, its destination takes nothing. Nothing if it can be read.
  std::optional<wan_time> full_until(direction& d, wan_time now) {
    if (d.blocked && d.on_way.size() > most_blocked_pieces)
      return wan_time::max();
    if (const auto queue = sender_of(d).full_until(rate_of(d), profile_.queue_bytes); queue > now)
      return queue;
    if (d.window.room(now) == 0)
      return d.window.more_room_at();
    return std::nullopt;
  }

  void take_in(connection& c, direction& d, wan_time now) {
    while (!d.ended && !c.broken && !full_until(d, now)) {
      char buffer[piece_bytes];
      const auto n = ::recv(d.from, buffer, std::min(sizeof buffer, d.window.room(now)), 0);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0) {
        // A connection to the target that is not there yet reports ENOTCONN.
        c.broken = errno != EAGAIN && errno != ENOTCONN;
        return;
      }
      d.ended = n == 0;
      const auto bytes = static_cast<std::size_t>(n);
      const auto left = sender_of(d).send(now, bytes, rate_of(d), stalled_until_);
      d.last_due =
          std::max(d.last_due, left + profile_.round_trip / 2 + fraction_of(profile_.jitter));
      d.window.sent(now, bytes, d.last_due + profile_.round_trip / 2);
      d.on_way.push_back({d.last_due, {buffer, buffer + n}, 0});
    }
  }

  void hand_out(connection& c, direction& d, wan_time now) {
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

  void note_delivery(const direction& d, const piece& p, wan_time now, std::size_t bytes) {
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

  const std::vector<target> targets_;
  std::vector<std::uint16_t> ports_;
  mutable std::mutex mutex_; // guards what follows
  wan_profile profile_;
  std::uint64_t drawn_ = 0; // random numbers
  socket wake_;
  std::list<connection> connections_;
  std::array<wan_sender, 2> shared_; // down, up
  wan_time stalled_until_{}, next_stall_;
  bool paused_ = false, cut_ = false;
  wan_accuracy accuracy_;
  std::vector<nanoseconds> lateness_;
  std::jthread thread_; // last: it uses all the others
};

result<wan_link> wan_link::start(const std::vector<endpoint>& to, const wan_profile& profile) {
  auto targets = std::vector<target>{};
  for (const auto& e : to) {
    LARQL_TRY(const auto address, numeric(e));
    LARQL_TRY(auto listener, listen_on({"127.0.0.1", 0}));
    const auto flags = ::fcntl(listener.fd(), F_GETFL);
    ::fcntl(listener.fd(), F_SETFL, flags | O_NONBLOCK);
    hold_little(listener.fd()); // those that it accepts take over what it has
    targets.push_back({address, std::move(listener)});
  }
  auto wake = socket{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!wake)
    return fail(errc::io, "eventfd: {}", errno_text(errno));
  try {
    return wan_link{std::make_unique<proxy>(std::move(targets), profile, std::move(wake))};
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start a thread: {}", e.what());
  }
}

wan_link::wan_link(std::unique_ptr<proxy> p) noexcept : proxy_(std::move(p)) {}
wan_link::wan_link(wan_link&&) noexcept = default;
wan_link& wan_link::operator=(wan_link&&) noexcept = default;
wan_link::~wan_link() = default;

std::uint16_t wan_link::port(std::size_t target) const noexcept {
  return proxy_->port(target);
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

} // namespace larql::actors
