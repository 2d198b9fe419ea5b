#include "actors/net/link_probe.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>

namespace larql::actors {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto pings = 11;
constexpr auto measured_time = std::chrono::duration<double>{0.5};
// Round trips after which a window that doubles has opened over the links that there are.
constexpr auto opening_round_trips = 10;
// Where a direction has no rate.
constexpr std::size_t unlimited_bytes = 32 << 20;
constexpr auto limit = 60s;

/// Bytes that open the window, and those that are measured behind them.
struct amount {
  std::size_t opening = 0, measured = 0;
};

amount amount_for(double rate, std::chrono::nanoseconds round_trip) {
  if (rate <= 0)
    return {unlimited_bytes / 4, unlimited_bytes};
  const auto opening = std::chrono::duration<double>(opening_round_trips * round_trip).count();
  return {static_cast<std::size_t>(rate * opening) + 1,
          static_cast<std::size_t>(rate * measured_time.count())};
}

/// Sends, or receives, both parts of an amount.
result<void> send_all(const socket& s, const amount& a, time_limit until) {
  const auto bytes = std::vector<char>(a.opening + a.measured);
  return s.write(bytes, until);
}
/// Bytes per second of the measured part.
result<double> receive_all(const socket& s, const amount& a, time_limit until) {
  auto bytes = std::vector<char>(std::max(a.opening, a.measured));
  LARQL_TRY_VOID(s.read(std::span{bytes}.first(a.opening), until));
  const auto begin = clock::now();
  LARQL_TRY_VOID(s.read(std::span{bytes}.first(a.measured), until));
  return static_cast<double>(a.measured) /
         std::chrono::duration<double>(clock::now() - begin).count();
}

// The far end: answers the pings, takes what comes up, and sends down. Gives the rate up.
result<double> far_end(const socket& listening, const amount& up, const amount& down,
                       time_limit until) {
  if (!wait_for(listening.fd(), POLLIN, until))
    return fail(errc::deadline, "the link brought no connection in time");
  auto s = socket{::accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!s)
    return fail(errc::io, "accept: {}", std::generic_category().message(errno));
  LARQL_TRY_VOID(prepare(s));
  auto byte = char{};
  for (auto i = 0; i < pings; ++i) {
    LARQL_TRY_VOID(s.read({&byte, 1}, until));
    LARQL_TRY_VOID(s.write({&byte, 1}, until));
  }
  LARQL_TRY(const auto rate, receive_all(s, up, until));
  LARQL_TRY_VOID(s.write({&byte, 1}, until));
  LARQL_TRY_VOID(s.read({&byte, 1}, until)); // what comes down is measured alone
  LARQL_TRY_VOID(send_all(s, down, until));
  LARQL_TRY_VOID(s.read({&byte, 1}, until)); // all of it has come
  return rate;
}

result<link_facts> near_end(std::uint16_t port, const amount& up, const amount& down,
                            const std::stop_token& stop, time_limit until) {
  auto out = link_facts{};
  LARQL_TRY(const auto s, dial({"127.0.0.1", port}, until));
  auto trips = std::vector<std::chrono::nanoseconds>{};
  auto byte = char{};
  for (auto i = 0; i < pings; ++i) {
    if (stop.stop_requested())
      return fail(errc::cancelled, "stopped while the link was measured");
    const auto begin = clock::now();
    LARQL_TRY_VOID(s.write({&byte, 1}, until));
    LARQL_TRY_VOID(s.read({&byte, 1}, until));
    if (i != 0) // the first one pays for the handshake
      trips.push_back(clock::now() - begin);
  }
  const auto middle = trips.begin() + static_cast<std::ptrdiff_t>(trips.size() / 2);
  std::nth_element(trips.begin(), middle, trips.end());
  out.round_trip = *middle;
  LARQL_TRY_VOID(send_all(s, up, until));
  LARQL_TRY_VOID(s.read({&byte, 1}, until));
  LARQL_TRY_VOID(s.write({&byte, 1}, until));
  LARQL_TRY(out.down_bytes_per_second, receive_all(s, down, until));
  LARQL_TRY_VOID(s.write({&byte, 1}, until));
  return out;
}

} // namespace

result<link_facts> measure_link(const wan_profile& profile, const std::stop_token& stop) {
  const auto until = clock::now() + limit;
  LARQL_TRY(const auto listening, listen_on({"127.0.0.1", 0}));
  LARQL_TRY(const auto link, wan_link::start({{"127.0.0.1", local_port(listening)}}, profile));
  const auto up = amount_for(profile.up_bytes_per_second, profile.round_trip);
  const auto down = amount_for(profile.down_bytes_per_second, profile.round_trip);
  auto far = result<double>{0.0};
  auto near = result<link_facts>{link_facts{}};
  try {
    auto thread = std::jthread{[&] { far = far_end(listening, up, down, until); }};
    near = near_end(link.port(), up, down, stop, until);
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start a thread: {}", e.what());
  }
  if (near && !far)
    return far.error();
  if (near)
    near->up_bytes_per_second = *far;
  return near;
}

} // namespace larql::actors
