// A cluster over a bad network, in virtual time, once for each seed: every layer gets the right
// bits or ends in time with an error that says what is missing; and when the trouble is over, the
// cluster has healed by itself.
//
// LARQL_SHIM_SEEDS=N runs more seeds, LARQL_SHIM_SEED=S only one, to look at it.

#include "tests/actors/laptop/shimmed_cluster.hpp"
#include "tests/support/environment.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

// Two nodes share the experts, a third has them all, a fourth some of both.
const std::vector<experts::index_range> ranges = {{0, 3}, {4, 7}, {0, 7}, {2, 5}};

struct tally {
  std::size_t right = 0, failed = 0, retries = 0, events = 0;
};

class NetworkFaults : public testing::Test {
protected:
  /// Runs `jobs` layers under this profile. False if something was wrong; the seed is printed.
  bool run_seed(std::uint64_t seed, const shim_profile& profile, bool with_events, tally& t) {
    auto c = shimmed_cluster{model, seed, profile};
    auto random = random_source{seed ^ 0x5eed};
    // No job may take longer than its failover deadline and the calls it may have begun before.
    const auto limit = c.limits().failover + 4 * c.limits().call_ceiling;
    for (auto i = 0; i < 10; ++i) {
      const auto job = model.make_job(random);
      c.route(job);
      if (!c.run_until_finished(job, limit, with_events)) {
        ADD_FAILURE() << "seed " << seed << ": job " << i << " hangs at " << c.now().count()
                      << " us";
        return false;
      }
      t.retries += job->stats.retries;
      if (!check(seed, i, *job, t))
        return false;
      c.run_for(std::chrono::microseconds{1000 * random.below(50)}, with_events);
    }
    t.events += c.events();
    c.calm_down();
    c.run_for(10s, false);
    const auto job = model.make_job(random, true);
    c.route(job);
    if (!c.run_until_finished(job, limit, false) || !job->outcome()) {
      ADD_FAILURE() << "seed " << seed << ": the cluster has not healed: "
                    << (job->has_ended() ? job->outcome().error().text : "hangs");
      return false;
    }
    return check(seed, 10, *job, t);
  }

  bool check(std::uint64_t seed, int i, const layer_job& job, tally& t) {
    if (job.outcome()) {
      ++t.right;
      if (job.sums == model.expected(job))
        return true;
      ADD_FAILURE() << "seed " << seed << ": job " << i << " gave WRONG NUMBERS";
      return false;
    }
    ++t.failed;
    const auto& text = job.outcome().error().text;
    if (text.find(fmt::format("layer {}, experts ", job.layer)) != std::string::npos)
      return true;
    ADD_FAILURE() << "seed " << seed << ": job " << i << ": not a clear error: " << text;
    return false;
  }

  void run_seeds(const shim_profile& profile, bool with_events, std::uint64_t seeds, tally& t) {
    auto first = std::uint64_t{1};
    seeds = number_in("LARQL_SHIM_SEEDS", seeds);
    if (const auto one = number_in("LARQL_SHIM_SEED", 0); one != 0)
      first = one, seeds = 1;
    for (auto seed = first; seed < first + seeds; ++seed)
      if (!run_seed(seed, profile, with_events, t))
        break;
    std::printf("%zu right, %zu clear errors, %zu calls made again, %zu events\n", t.right,
                t.failed, t.retries, t.events);
  }

  shimmed_model model{ranges};
};

TEST_F(NetworkFaults, AGoodNetworkGivesTheRightBitsWithoutARetry) {
  auto t = tally{};
  run_seeds({}, false, 5, t);
  EXPECT_EQ(t.failed, 0u);
  EXPECT_EQ(t.retries, 0u);
}

TEST_F(NetworkFaults, DelaysAndLostPacketsGiveTheRightBits) {
  auto p = shim_profile{};
  p.delay = 5ms;
  p.jitter = 40ms;
  p.stall = 20;
  auto t = tally{};
  run_seeds(p, false, 40, t);
  EXPECT_EQ(t.failed, 0u); // slow is no failure
}

TEST_F(NetworkFaults, RepeatedAndReorderedFramesGiveTheRightBits) {
  auto p = shim_profile{};
  p.jitter = 3ms;
  p.duplicate = 200;
  p.swap = 200;
  auto t = tally{};
  run_seeds(p, false, 40, t);
  EXPECT_EQ(t.failed, 0u);
}

TEST_F(NetworkFaults, BrokenConnectionsGiveTheRightBitsOrAClearError) {
  auto p = shim_profile{};
  p.jitter = 3ms;
  p.damage = 15;
  p.cut = 15;
  p.half_open = 5;
  auto t = tally{};
  run_seeds(p, false, 60, t);
  EXPECT_GT(t.right, 5 * t.failed); // there are replicas of everything
  EXPECT_GT(t.retries, 0u);
}

TEST_F(NetworkFaults, EverythingAtOnceGivesTheRightBitsOrAClearError) {
  auto p = shim_profile{};
  p.delay = 2ms;
  p.jitter = 20ms;
  p.stall = 10;
  p.duplicate = 30;
  p.swap = 30;
  p.damage = 5;
  p.cut = 5;
  p.half_open = 3;
  auto t = tally{};
  run_seeds(p, true, 100, t);
  EXPECT_GT(t.right, 5 * t.failed);
  EXPECT_GT(t.retries, 0u);
  EXPECT_GT(t.events, 0u);
}

TEST_F(NetworkFaults, ASeedRepeatsItsRun) {
  auto p = shim_profile{};
  p.jitter = 20ms;
  p.stall = p.duplicate = p.swap = p.cut = 20;
  const auto trace_of = [&](std::uint64_t seed) {
    auto c = shimmed_cluster{model, seed, p};
    auto random = random_source{seed};
    for (auto i = 0; i < 5; ++i) {
      const auto job = model.make_job(random);
      c.route(job);
      EXPECT_TRUE(c.run_until_finished(job, 20s, true));
    }
    return c.trace();
  };
  EXPECT_EQ(trace_of(7), trace_of(7));
  EXPECT_NE(trace_of(7), trace_of(8));
}

} // namespace
} // namespace larql::test
