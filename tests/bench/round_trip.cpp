// What the message layer costs: one layer's call for one row to a real larql-node on loopback, less
// the node's kernels, beside a bare TCP ping-pong of the same sizes between two processes. The
// ping-pong's server is as busy before it answers as the kernels were, and that time is taken off
// as well: a processor that slept meanwhile takes longer to wake than one that did not. (The
// ping-pong without it is shown, too.) All are measured in turn, in one run.
//
//   larql_bench_round_trip [CALLS PER ROUND] [ROUNDS] [HIDDEN]
//
// Prints medians over the rounds and ratios; a line of JSON at the end.

#include "actors/core/system.hpp"
#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/node/expert_service.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_gguf.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace larql::test {
namespace {

using steady = std::chrono::steady_clock;

struct sizes {
  std::size_t up = 0;
  std::size_t down = 0;
};

struct quantiles {
  double p50 = 0;
  double p99 = 0;
};

quantiles quantiles_of(std::vector<double> us) {
  std::sort(us.begin(), us.end());
  return {us[us.size() / 2], us[us.size() * 99 / 100]};
}

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "round trip: {}\n", why);
  std::exit(1);
}

template <class T>
T take(result<T> r) {
  if (!r)
    give_up(r.error().text);
  return *std::move(r);
}

void read_all(int fd, std::vector<char>& buffer) {
  for (auto at = std::size_t{0}; at < buffer.size();) {
    const auto n = ::recv(fd, buffer.data() + at, buffer.size() - at, 0);
    if (n <= 0)
      std::exit(1);
    at += static_cast<std::size_t>(n);
  }
}

void write_all(int fd, const std::vector<char>& buffer) {
  for (auto at = std::size_t{0}; at < buffer.size();) {
    const auto n = ::send(fd, buffer.data() + at, buffer.size() - at, MSG_NOSIGNAL);
    if (n <= 0)
      std::exit(1);
    at += static_cast<std::size_t>(n);
  }
}

void be_busy(double us) {
  const auto until = steady::now() + std::chrono::duration<double, std::micro>{us};
  while (steady::now() < until) {
  }
}

/// Bare TCP to a child process that answers `up` bytes with `down` bytes, after being busy.
class ping_pong {
public:
  explicit ping_pong(sizes s) : up_(s.up, 'x'), down_(s.down, 'y') {
    const auto listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto at = sockaddr_in{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto length = socklen_t{sizeof at};
    auto* address = reinterpret_cast<sockaddr*>(&at);
    if (::bind(listening, address, length) != 0 || ::listen(listening, 1) != 0 ||
        ::getsockname(listening, address, &length) != 0)
      give_up("no port for the ping-pong");
    const auto parent = ::getpid();
    if (::fork() == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent)
        ::_exit(1);
      const auto fd = ::accept(listening, nullptr, nullptr);
      no_delay(fd);
      for (;;) {
        read_all(fd, up_);
        auto busy_us = 0.0;
        std::memcpy(&busy_us, up_.data(), sizeof busy_us);
        be_busy(busy_us);
        write_all(fd, down_);
      }
    }
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(fd_, address, length) != 0)
      give_up("the ping-pong does not connect");
    no_delay(fd_);
    ::close(listening);
  }
  ~ping_pong() { ::close(fd_); }
  ping_pong(const ping_pong&) = delete;

  /// Microseconds, without the `busy_us` of the server.
  double once(double busy_us) {
    std::memcpy(up_.data(), &busy_us, sizeof busy_us);
    const auto begin = steady::now();
    write_all(fd_, up_);
    read_all(fd_, down_);
    return std::chrono::duration<double, std::micro>(steady::now() - begin).count() - busy_us;
  }

private:
  static void no_delay(int fd) {
    const auto on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  std::vector<char> up_, down_;
  int fd_ = -1;
};

/// A laptop with one node, asked for one layer of one row at a time.
class layer_caller {
public:
  explicit layer_caller(std::uint32_t hidden) {
    auto m = tiny_gguf{};
    m.layers = 2;
    m.hidden = hidden;
    m.experts = 16;
    m.top_k = 8;
    m.expert_width = 32;
    m.expert_encodings = {quant::encoding::q4_k};
    m.write(scratch_ / "m.gguf");
    const auto vindex = (scratch_ / "m.vindex").string();
    const auto made = run(
        {test::larql_program().string(), "extract", (scratch_ / "m.gguf").string(), "-o", vindex});
    if (made.code != 0)
      give_up(made.err);
    node_ = std::make_unique<child_process>(std::vector<std::string>{
        test::larql_node_program().string(), vindex, "--port", "0", "-t", "1"});
    if (!node_->wait_for_out("\n"))
      give_up(node_->err());
    const auto line = node_->out();
    const auto at = line.find(" ready on ") + 10;
    const auto address = line.substr(at, line.find(": ", at) - at);

    const auto model = take(vindex::read_index(vindex));
    const auto weights = take(vindex::name_weights(vindex, model));
    kernels_ = take(kernels::kernels_by_name(""));
    auto shards = take(topology::parse_shard_map("0-15=caf://" + address));
    cluster_ = take(actors::cluster::connect(
        sys_, {topology::cluster_of(shards), actors::identity_of(model, weights), "bench"}));
    port_ = std::make_unique<actors::remote_experts>(sys_, cluster_->router(), cluster_->formats(),
                                                     kernels::compute{*kernels_, pool_},
                                                     cluster_->limits());
    auto random = random_source{1};
    x_.resize(hidden);
    for (auto& v : x_)
      v = static_cast<float>(random.below(2000)) / 1000 - 1;
    out_.resize(hidden);
    for (auto i = 0u; i < 8; ++i)
      assignments_.push_back({0, 2 * i, 0.125f});
  }

  /// Microseconds of a layer, without the node's kernels.
  double once() {
    const auto hidden = static_cast<std::uint32_t>(x_.size());
    const auto begin = steady::now();
    std::fill(out_.begin(), out_.end(), 0);
    const auto ticket = take(port_->start({0, 1, hidden, x_, assignments_}));
    const auto done = ticket->wait(out_, {});
    const auto total = std::chrono::duration<double, std::micro>(steady::now() - begin).count();
    if (!done)
      give_up(done.error().text);
    const auto stats = ticket->stats();
    sent_ += stats.bytes_sent;
    received_ += stats.bytes_received;
    calls_ += stats.calls;
    compute_us_.push_back(static_cast<double>(stats.slowest_compute.count()) * 1e-3);
    return total - compute_us_.back();
  }

  /// Of the node's kernels, per layer.
  [[nodiscard]] double compute_us() const { return quantiles_of(compute_us_).p50; }

  /// Of one call and its answer, frames included.
  [[nodiscard]] sizes bytes() const { return {sent_ / calls_, received_ / calls_}; }

private:
  temporary_directory scratch_;
  std::unique_ptr<child_process> node_;
  actors::system_config config_;
  caf::actor_system sys_{config_};
  const kernels::kernel_set* kernels_ = nullptr;
  compute_pool pool_{1};
  std::unique_ptr<actors::cluster> cluster_;
  std::unique_ptr<actors::remote_experts> port_;
  std::vector<float> x_;
  std::vector<std::int64_t> out_;
  std::vector<experts::assignment> assignments_;
  std::vector<double> compute_us_;
  std::size_t sent_ = 0, received_ = 0, calls_ = 0;
};

int bench(std::size_t calls, std::size_t rounds, std::uint32_t hidden) {
  auto layers = layer_caller{hidden};
  for (auto i = 0; i < 200; ++i)
    layers.once();
  const auto bytes = layers.bytes();
  const auto compute_us = layers.compute_us();
  auto bare = ping_pong{bytes};
  auto series = std::array<std::vector<quantiles>, 3>{};
  const std::function<double()> once[] = {[&] { return layers.once(); },
                                          [&] { return bare.once(compute_us); },
                                          [&] { return bare.once(0); }};
  for (auto r = std::size_t{0}; r < rounds; ++r)
    for (auto k = std::size_t{0}; k < series.size(); ++k) {
      auto us = std::vector<double>{};
      for (auto i = std::size_t{0}; i < calls; ++i)
        us.push_back(once[k]());
      series[k].push_back(quantiles_of(std::move(us)));
    }
  const auto median = [](const std::vector<quantiles>& all, double quantiles::*field) {
    auto values = std::vector<double>{};
    for (const auto& q : all)
      values.push_back(q.*field);
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    return values[values.size() / 2];
  };
  double p50[3], p99[3];
  for (auto k = std::size_t{0}; k < series.size(); ++k) {
    p50[k] = median(series[k], &quantiles::p50);
    p99[k] = median(series[k], &quantiles::p99);
  }
  fmt::print("hidden {}, one row, 8 experts: {} bytes up, {} down; kernels {:.0f} us\n", hidden,
             bytes.up, bytes.down, compute_us);
  fmt::print("                             p50 us   p99 us\n");
  const char* names[] = {"layer, less kernels", "bare TCP, as busy", "bare TCP, idle"};
  for (auto k = 0; k < 3; ++k)
    fmt::print("{:<25} {:9.1f} {:8.1f}\n", names[k], p50[k], p99[k]);
  fmt::print("ratio to bare, as busy    {:9.2f} {:8.2f}\n", p50[0] / p50[1], p99[0] / p99[1]);
  fmt::print("{{\"hidden\":{},\"bytes_up\":{},\"bytes_down\":{},\"kernels_us\":{:.1f},"
             "\"layer_p50_us\":{:.1f},\"layer_p99_us\":{:.1f},\"tcp_busy_p50_us\":{:.1f},"
             "\"tcp_busy_p99_us\":{:.1f},\"tcp_idle_p50_us\":{:.1f},\"tcp_idle_p99_us\":{:.1f}}}\n",
             hidden, bytes.up, bytes.down, compute_us, p50[0], p99[0], p50[1], p99[1], p50[2],
             p99[2]);
  return 0;
}

} // namespace
} // namespace larql::test

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto number = [&](int i, std::size_t otherwise) {
    return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
  };
  return larql::test::bench(number(1, 2000), number(2, 7),
                            static_cast<std::uint32_t>(number(3, 2816)));
}
