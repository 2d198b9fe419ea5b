// The rates of a link beside those of the kernel's token bucket (tc-tbf), for the same bytes. Needs
// a network namespace; without one it says so and is skipped.

#include "actors/net/link_probe.hpp"
#include "actors/net/socket.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <optional>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <thread>

namespace larql::actors {
namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

bool succeeds(const std::vector<std::string>& command) {
  auto child = test::child_process{command};
  const auto end = child.wait();
  return end && end->code == 0;
}

double seconds_since(clock::time_point begin) {
  return std::chrono::duration<double>(clock::now() - begin).count();
}

/// Bytes per second from one socket of this namespace to another, behind those that fill the
/// bucket.
result<double> loopback_rate(std::size_t bytes) {
  const auto until = clock::now() + 60s;
  LARQL_TRY(const auto listening, listen_on({"127.0.0.1", 0}));
  auto sender = std::jthread{[&] {
    const auto s = dial({"127.0.0.1", local_port(listening)}, until);
    if (s)
      (void) s->write(std::vector<char>(2 * bytes), until);
  }};
  if (!wait_for(listening.fd(), POLLIN, until))
    return fail(errc::deadline, "no connection");
  auto s = socket{::accept4(listening.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
  LARQL_TRY_VOID(prepare(s));
  auto in = std::vector<char>(bytes);
  LARQL_TRY_VOID(s.read(in, until));
  const auto begin = clock::now();
  LARQL_TRY_VOID(s.read(in, until));
  return static_cast<double>(bytes) / seconds_since(begin);
}

/// What the kernel lets through at so many megabits; nothing where it cannot be asked.
std::optional<double> kernel_rate(int megabits, std::size_t bytes) {
  auto out = std::optional<double>{};
  std::thread{[&] { // a thread can have a namespace of its own, and what it starts is in it, too
    if (::unshare(CLONE_NEWNET) != 0 || !succeeds({"ip", "link", "set", "lo", "up"}) ||
        !succeeds({"tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate",
                   std::to_string(megabits) + "mbit", "burst", "128kb", "latency", "100ms"}))
      return;
    const auto rate = loopback_rate(bytes);
    EXPECT_TRUE(test::succeeds(rate));
    if (rate)
      out = *rate;
  }}
      .join();
  return out;
}

TEST(WanRate, AgreesWithTheTokenBucketOfTheKernel) {
  for (const auto megabits : {40, 100, 250}) {
    const auto rate = megabits * 1e6 / 8;
    const auto kernel = kernel_rate(megabits, static_cast<std::size_t>(rate / 4));
    if (!kernel) {
      std::fputs("WanRate: NOT CHECKED: no network namespace with tc-tbf can be made here\n",
                 stderr);
      GTEST_SKIP() << "no network namespace with tc-tbf can be made here";
    }
    const auto measured =
        measure_link({.up_bytes_per_second = rate, .down_bytes_per_second = rate}, {});
    ASSERT_TRUE(test::succeeds(measured));
    // The bucket counts headers and acknowledgements as well, and lets a burst through.
    EXPECT_NEAR(measured->down_bytes_per_second / *kernel, 1, 0.08) << megabits;
    EXPECT_NEAR(measured->up_bytes_per_second / *kernel, 1, 0.08) << megabits;
    std::printf("%d Mbit/s: the kernel gives %.2f MB/s, the link %.2f down and %.2f up\n", megabits,
                *kernel * 1e-6, measured->down_bytes_per_second * 1e-6,
                measured->up_bytes_per_second * 1e-6);
  }
}

} // namespace
} // namespace larql::actors
