// A long run: a laptop generates, nodes are killed and started again, and neither the laptop nor a
// node that was left alone grows. Only when asked: LARQL_SOAK=SECONDS (tests/bench/soak.sh).

#include "tests/e2e/chaos_cluster.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/prometheus_text.hpp"

#include <atomic>
#include <thread>

#include <unistd.h>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

struct footprint {
  std::uint64_t anonymous = 0;
  std::size_t descriptors = 0, threads = 0;
  std::uint64_t messages = 0; ///< in the mailboxes of its actors
};

footprint of(pid_t pid, std::uint64_t messages) {
  return {memory_bytes(pid, "RssAnon"), descriptor_count(pid), thread_count(pid), messages};
}

void print(double seconds, const char* who, const footprint& f) {
  std::printf("%7.0f s  %-7s RssAnon %7.2f MB  %3zu descriptors  %3zu threads  %3llu messages\n",
              seconds, who, static_cast<double>(f.anonymous) * 1e-6, f.descriptors, f.threads,
              static_cast<unsigned long long>(f.messages));
  std::fflush(stdout);
}

class Soak : public chaos_test {
protected:
  /// Starts a node again so that it tells how many messages wait in it.
  void tell_messages(member& m) {
    const auto port = free_port();
    m.options = {"--http-port", std::to_string(port)};
    kill(m);
    start(m);
    http_[m.name] = port;
  }
  /// At most a second old.
  [[nodiscard]] footprint of_node(const member& m) const {
    const auto metrics = http_get(http_.at(m.name), "/metrics");
    EXPECT_EQ(metrics.status, 200) << m.name;
    const auto messages = prometheus_text{metrics.body}["larql_messages_waiting"];
    return of(m.process->pid(), static_cast<std::uint64_t>(messages));
  }

private:
  std::map<std::string, std::uint16_t> http_;
};

TEST_F(Soak, NothingGrows) {
  const auto seconds = number_in("LARQL_SOAK", 0);
  if (seconds == 0)
    GTEST_SKIP() << "set LARQL_SOAK to the seconds it should take";
  tell_messages(members_[0]);
  tell_messages(members_[1]);
  auto laptop = in_process_laptop{vindex()};
  ASSERT_TRUE(succeeds(laptop.connect(topology())));
  const auto prompt = random_ids(12, 500);
  const auto expected = laptop.generate_locally(prompt, 40);
  auto random = random_source{1};
  const auto begin = steady::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(steady::now() - begin).count(); };
  // The first tenth fills caches and allocators; alpha and beta are left alone all the time.
  auto before = std::vector<footprint>{};
  const auto all = [&] {
    return std::vector{of(::getpid(), laptop.waiting_messages()), of_node(members_[0]),
                       of_node(members_[1])};
  };
  constexpr const char* names[] = {"laptop", "alpha", "beta"};
  // Between generations nothing waits; this sees what waits in the midst of them.
  auto most_messages = std::atomic<std::uint64_t>{0};
  const auto sampler = std::jthread{[&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      most_messages = std::max(most_messages.load(), laptop.waiting_messages());
      std::this_thread::sleep_for(1ms);
    }
  }};
  auto generations = 0ull, kills = 0ull;
  auto next_report = 0.0;
  while (elapsed() < static_cast<double>(seconds)) {
    const auto g = laptop.generate(prompt, 40);
    ASSERT_EQ(g.error, "") << "generation " << generations;
    ASSERT_TRUE(g.same_bits(expected)) << "generation " << generations;
    if (++generations % 8 == 0) {
      auto& m = members_[2 + random.below(2)];
      kill(m);
      start(m);
      ++kills;
    }
    if (before.empty() && elapsed() > static_cast<double>(seconds) / 10)
      before = all();
    if (elapsed() >= next_report) {
      const auto now = all();
      for (auto i = std::size_t{0}; i < now.size(); ++i)
        print(elapsed(), names[i], now[i]);
      next_report = elapsed() + static_cast<double>(seconds) / 10;
    }
  }
  // What the last kill left behind takes a moment to go.
  ASSERT_FALSE(before.empty());
  EXPECT_TRUE(eventually([&] {
    const auto now = all();
    for (auto i = std::size_t{0}; i < now.size(); ++i)
      if (now[i].descriptors > before[i].descriptors + 2 ||
          now[i].threads > before[i].threads + 2 || now[i].messages > before[i].messages + 2)
        return false;
    return true;
  }));
  const auto after = all();
  for (auto i = std::size_t{0}; i < after.size(); ++i) {
    print(elapsed(), names[i], after[i]);
    EXPECT_LT(after[i].anonymous, before[i].anonymous + (8u << 20)) << names[i];
  }
  EXPECT_LT(most_messages.load(), 100u);
  std::printf(
      "%llu generations, %llu kills, %llu calls made again, at most %llu messages waited on "
      "the laptop\n",
      generations, kills, static_cast<unsigned long long>(laptop.retries()),
      static_cast<unsigned long long>(most_messages.load()));
}

} // namespace
} // namespace larql::test
