// The promise that a lost node never loses a token, with real processes: nodes are killed, stopped,
// drained and restarted by a seeded script while a laptop generates, and every generation gives the
// bits of an undisturbed one.
//
// LARQL_CHAOS=N runs N generations instead of a few, LARQL_CHAOS_SEED=S another script.

#include "tests/e2e/chaos_cluster.hpp"

#include <condition_variable>
#include <future>
#include <mutex>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

/// Tells another thread that something has happened: that the generations are over, for one.
class sign {
public:
  void set() {
    {
      const auto lock = std::scoped_lock{mutex_};
      set_ = true;
    }
    changed_.notify_all();
  }
  /// True if it was set within the time.
  bool set_within(std::chrono::milliseconds time) {
    auto lock = std::unique_lock{mutex_};
    return changed_.wait_for(lock, time, [this] { return set_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class Chaos : public chaos_test {
protected:
  struct finding {
    std::vector<generation> generations;
    std::uint64_t retries = 0;
  };

  /// `n` generations in a thread of their own, while this thread runs the script.
  template <class Script>
  finding generate_during(std::size_t n, std::size_t tokens, Script script,
                          const token_watcher& on_token = {}) {
    auto laptop = in_process_laptop{vindex()};
    auto connected = laptop.connect(topology());
    EXPECT_TRUE(succeeds(connected));
    if (!connected)
      return {};
    for (auto i = 0u; i < prompts; ++i)
      expected.push_back(laptop.generate_locally(prompt(i), tokens));
    auto over = sign{};
    auto work = std::async(std::launch::async, [&] {
      auto out = finding{};
      for (auto i = std::size_t{0}; i < n; ++i) {
        const auto p = static_cast<std::uint32_t>(i % prompts);
        out.generations.push_back(laptop.generate(prompt(p), tokens, on_token));
        const auto& g = out.generations.back();
        EXPECT_EQ(g.error, "") << "generation " << i << ", token " << g.ids.size();
        EXPECT_TRUE(g.same_bits(expected[p])) << "generation " << i;
        if (!g.error.empty() || !g.same_bits(expected[p]))
          break;
      }
      out.retries = laptop.retries();
      over.set();
      return out;
    });
    script(over);
    return work.get();
  }

  static constexpr auto prompts = 5u;
  static std::vector<std::uint32_t> prompt(std::uint32_t i) { return random_ids(12, 500, 100 + i); }

  // ---- the script -------------------------------------------------------------------------------

  /// Disturbs one node at a time, so that the other of its range is there; says when it killed.
  std::vector<steady::time_point> disturb_until(sign& over, random_source& random) {
    auto kills = std::vector<steady::time_point>{};
    while (!over.set_within(std::chrono::milliseconds{20 + random.below(150)})) {
      auto& m = members_[random.below(4)];
      switch (random.below(5)) {
      case 0:
      case 1:
        kills.push_back(steady::now());
        kill(m);
        (void) over.set_within(std::chrono::milliseconds{random.below(400)});
        start(m);
        break;
      case 2:
        m.process->child().signal(SIGSTOP);
        (void) over.set_within(std::chrono::milliseconds{20 + random.below(700)});
        m.process->child().signal(SIGCONT);
        break;
      case 3: // drains by itself
        m.process->child().signal(SIGTERM);
        EXPECT_EQ(m.process->child().wait(), (exit_status{0, 0})) << m.process->child().err();
        start(m);
        break;
      default:
        order("drain", m);
        (void) over.set_within(std::chrono::milliseconds{random.below(200)});
        order("restart", m);
      }
      ++disturbances;
    }
    return kills;
  }
  void order(const std::string& command, const member& m) const {
    const auto done = run(larql({command, m.name, "--topology", topology().string()}));
    EXPECT_EQ(done.code, 0) << command << ' ' << m.name << ": " << done.err;
  }

  static void print(const char* what, std::vector<double> ms) {
    if (ms.empty())
      return;
    std::sort(ms.begin(), ms.end());
    std::printf("%s: median %.1f ms, max %.1f ms, of %zu\n", what, ms[ms.size() / 2], ms.back(),
                ms.size());
  }
  static void report(const finding& f, const std::vector<steady::time_point>& kills) {
    auto tokens = std::vector<double>{}, after_kill = std::vector<double>{};
    for (const auto& g : f.generations)
      for (auto i = std::size_t{1}; i < g.at.size(); ++i)
        tokens.push_back(milliseconds_of(g.at[i] - g.at[i - 1]));
    for (const auto& k : kills)
      for (const auto& g : f.generations) {
        if (g.at.front() > k || g.at.back() < k)
          continue;
        const auto next = std::upper_bound(g.at.begin(), g.at.end(), k);
        if (next != g.at.end())
          after_kill.push_back(milliseconds_of(*next - k));
      }
    std::printf("%zu generations, %zu kills, %llu calls made again\n", f.generations.size(),
                kills.size(), static_cast<unsigned long long>(f.retries));
    print("a token", tokens);
    print("from SIGKILL to the next token", after_kill);
  }

  std::vector<generation> expected;
  std::size_t disturbances = 0;
};

TEST_F(Chaos, EveryGenerationGivesTheSameBitsWhateverHappensToTheNodes) {
  const auto n = number_in("LARQL_CHAOS", 40);
  const auto seed = number_in("LARQL_CHAOS_SEED", 1);
  auto random = random_source{seed};
  auto kills = std::vector<steady::time_point>{};
  const auto found =
      generate_during(n, 100, [&](sign& over) { kills = disturb_until(over, random); });
  report(found, kills);
  std::printf("%zu disturbances, seed %llu\n", disturbances, static_cast<unsigned long long>(seed));
  EXPECT_EQ(found.generations.size(), n);
  EXPECT_GT(disturbances, 0u);
}

TEST_F(Chaos, WithBothReplicasGoneAGenerationWaitsAndGoesOn) {
  auto begun = sign{}, gone = sign{};
  const auto script = [&](sign& over) {
    auto &beta = members_[1], &delta = members_[3];
    EXPECT_TRUE(begun.set_within(test_timeout));
    kill(beta);
    kill(delta);
    gone.set();
    EXPECT_FALSE(over.set_within(3s)) << "it did not need them";
    start(delta);
    start(beta);
    EXPECT_TRUE(over.set_within(test_timeout)) << "it does not go on";
  };
  const auto found = generate_during(1, 110, script, [&](std::size_t tokens) {
    if (tokens != 20)
      return;
    begun.set();
    EXPECT_TRUE(gone.set_within(test_timeout));
  });
  report(found, {});
  ASSERT_EQ(found.generations.size(), 1u);
}

TEST_F(Chaos, ANewLaptopStartsWithWhoIsThere) {
  const auto undisturbed = logits();
  auto random = random_source{5};
  for (auto i = 0; i < 3; ++i) {
    auto& m = members_[random.below(4)];
    kill(m);
    EXPECT_EQ(difference(logits({"--topology", topology().string()}), undisturbed), "");
    start(m);
  }
  members_[0].process->child().signal(SIGSTOP);
  ASSERT_TRUE(eventually([&] { return process_state(members_[0].process->pid()) == 'T'; }));
  EXPECT_EQ(difference(logits({"--topology", topology().string()}), undisturbed), "");
  members_[0].process->child().signal(SIGCONT);
}

} // namespace
} // namespace larql::test
