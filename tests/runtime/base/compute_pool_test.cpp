// Mirrors runtime/base/compute_pool.hpp.

#include "runtime/base/compute_pool.hpp"

#include "tests/support/few_threads.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <sched.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace larql {
namespace {

TEST(ComputePool, EveryIterationRunsOnceWhateverTheThreadsAndTheGrain) {
  for (const auto threads : {0u, 1u, 2u, 3u, 8u}) {
    auto pool = compute_pool{threads};
    for (const auto count : {0u, 1u, 2u, 7u, 64u, 1000u})
      for (const auto grain : {0u, 1u, 3u, 64u, 5000u}) {
        auto runs = std::vector<std::atomic<int>>(count);
        pool.parallel_for(count, grain, [&](std::size_t begin, std::size_t end, unsigned worker) {
          EXPECT_LT(worker, pool.threads());
          for (auto i = begin; i < end; ++i)
            runs[i].fetch_add(1);
        });
        EXPECT_TRUE(std::all_of(runs.begin(), runs.end(), [](auto& n) { return n.load() == 1; }))
            << threads << " threads, " << count << " by " << grain;
      }
  }
}

TEST(ComputePool, RangesBeginAtMultiplesOfTheGrain) {
  auto pool = compute_pool{3};
  pool.parallel_for(100, 16, [&](std::size_t begin, std::size_t end, unsigned) {
    EXPECT_EQ(begin % 16, 0u);
    EXPECT_EQ(end, std::min<std::size_t>(begin + 16, 100));
  });
}

TEST(ComputePool, AThreadWalksThroughItsPartInAscendingOrder) {
  auto pool = compute_pool{2};
  auto first = std::vector<std::size_t>{}; // what the caller did in its own half
  pool.parallel_for(1000, 10, [&](std::size_t begin, std::size_t, unsigned worker) {
    if (worker == 0 && begin < 500)
      first.push_back(begin);
  });
  EXPECT_TRUE(std::is_sorted(first.begin(), first.end()));
}

TEST(ComputePool, OneThreadDoesTheWorkOfAnotherThatIsBusy) {
  auto pool = compute_pool{2};
  auto done = std::atomic<int>{0};
  auto stuck = std::atomic<bool>{false};
  // Whoever comes first to the first grain of the second half stays there until all others are
  // done.
  pool.parallel_for(64, 1, [&](std::size_t begin, std::size_t, unsigned) {
    if (begin == 32 && !stuck.exchange(true))
      while (done.load() < 63)
        std::this_thread::yield();
    done.fetch_add(1);
  });
  EXPECT_EQ(done.load(), 64);
}

TEST(ComputePool, LoopsOfDifferentThreadsRunOneAfterTheOther) {
  auto pool = compute_pool{3};
  auto sums = std::vector<std::uint64_t>(4);
  auto callers = std::vector<std::thread>{};
  for (auto c = 0u; c < sums.size(); ++c)
    callers.emplace_back([&, c] {
      for (auto round = 0; round < 200; ++round) {
        auto sum = std::atomic<std::uint64_t>{0};
        pool.parallel_for(97, 2, [&](std::size_t begin, std::size_t end, unsigned) {
          for (auto i = begin; i < end; ++i)
            sum.fetch_add(i);
        });
        sums[c] += sum.load();
      }
    });
  for (auto& c : callers)
    c.join();
  for (const auto sum : sums)
    EXPECT_EQ(sum, 200u * (97 * 96 / 2));
}

// The processors that each thread of a pool may use; all of them take part.
std::vector<cpu_set_t> processors_of(compute_pool& pool) {
  auto out = std::vector<cpu_set_t>(pool.threads());
  auto here = std::atomic<unsigned>{0};
  pool.parallel_for(pool.threads(), 1, [&](std::size_t, std::size_t, unsigned worker) {
    EXPECT_EQ(::sched_getaffinity(0, sizeof out[worker], &out[worker]), 0);
    here.fetch_add(1);
    while (here.load() < pool.threads())
      std::this_thread::yield();
  });
  return out;
}

std::vector<int> counts_of(const std::vector<cpu_set_t>& sets) {
  auto out = std::vector<int>{};
  for (const auto& set : sets)
    out.push_back(CPU_COUNT(&set));
  return out;
}

TEST(ComputePool, AWorkerHasAProcessorOfItsOwnIfThereIsOneForEveryThread) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const auto all = CPU_COUNT(&set);
  auto fitting = compute_pool{static_cast<unsigned>(all)};
  auto expected = std::vector<int>(static_cast<std::size_t>(all), 1);
  expected[0] = all; // the caller goes where it wants
  EXPECT_EQ(counts_of(processors_of(fitting)), expected);
  auto larger = compute_pool{static_cast<unsigned>(all) + 1};
  EXPECT_EQ(counts_of(processors_of(larger)),
            std::vector<int>(static_cast<std::size_t>(all) + 1, all));
}

TEST(ComputePool, WorkersLeaveTheProcessorThatTheCallerCameTo) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  auto pool = compute_pool{static_cast<unsigned>(CPU_COUNT(&all))};
  for (auto round = 0; round < 3; ++round)
    for (auto cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(static_cast<std::size_t>(cpu), &all))
        continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(cpu), &one);
      ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
      const auto sets = processors_of(pool);
      for (auto worker = std::size_t{0}; worker < sets.size(); ++worker) {
        EXPECT_EQ(CPU_COUNT(&sets[worker]), 1);
        EXPECT_EQ(CPU_ISSET(static_cast<std::size_t>(cpu), &sets[worker]) != 0, worker == 0);
      }
    }
  ASSERT_EQ(::sched_setaffinity(0, sizeof all, &all), 0);
}

TEST(ComputePool, LoopsThatRunInlineDoNotOverlapEither) {
  for (const auto threads : {1u, 3u}) {
    auto pool = compute_pool{threads};
    auto inside = std::atomic<int>{0};
    auto overlaps = std::atomic<int>{0};
    auto callers = std::vector<std::thread>{};
    for (auto c = 0; c < 4; ++c)
      callers.emplace_back([&] {
        for (auto round = 0; round < 500; ++round)
          pool.parallel_for(8, 8, [&](std::size_t, std::size_t, unsigned) {
            overlaps += inside.fetch_add(1) != 0;
            std::this_thread::yield();
            inside.fetch_sub(1);
          });
      });
    for (auto& c : callers)
      c.join();
    EXPECT_EQ(overlaps.load(), 0) << threads << " threads";
  }
}

TEST(ComputePoolDeathTest, APoolThatDoesNotGetItsThreadsThrowsAndLeavesNone) {
  EXPECT_EXIT(
      {
        test::allow_few_more_threads();
        try {
          const auto pool = compute_pool{255};
        } catch (const std::system_error&) {
          ::_exit(0);
        }
        ::_exit(1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(ComputePool, GivesWayUntilTheLastWhoWantsItHasReturnedTheLease) {
  auto pool = compute_pool{2};
  EXPECT_FALSE(pool.gives_way());
  auto first = pool.give_way();
  auto second = pool.give_way();
  second.reset();
  EXPECT_TRUE(pool.gives_way());
  first.reset();
  EXPECT_FALSE(pool.gives_way());
}

TEST(ComputePool, EveryIterationRunsOnceAfterARestAndWhileThreadsGiveWay) {
  auto pool = compute_pool{3};
  for (auto round = 0; round < 500; ++round) {
    const auto lease = round % 3 == 0 ? pool.give_way() : compute_pool::yield_lease{};
    auto runs = std::vector<std::atomic<int>>(50);
    pool.parallel_for(50, 4, [&](std::size_t begin, std::size_t end, unsigned) {
      for (auto i = begin; i < end; ++i)
        runs[i].fetch_add(1);
    });
    EXPECT_TRUE(std::all_of(runs.begin(), runs.end(), [](auto& n) { return n.load() == 1; }));
    if (round % 2 == 0)
      pool.rest();
  }
}

} // namespace
} // namespace larql
