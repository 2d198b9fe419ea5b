// Mirrors actors/policy/credit_pool.hpp.

#include "actors/policy/credit_pool.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace larql::actors {
namespace {

TEST(CreditPool, WhoeverIsAloneHasAllOfIt) {
  auto pool = credit_pool{64};
  const auto a = pool.join();
  EXPECT_FALSE(pool.begin(a)) << "nothing was granted yet";
  EXPECT_EQ(pool.renew(a), 64u);
  for (auto i = 0; i < 64; ++i)
    EXPECT_TRUE(pool.begin(a));
  EXPECT_FALSE(pool.begin(a));
  pool.end(a);
  EXPECT_TRUE(pool.begin(a));
}

TEST(CreditPool, ASecondGetsItsPartOnceTheFirstHasGivenItBack) {
  auto pool = credit_pool{64};
  const auto a = pool.join();
  EXPECT_EQ(pool.renew(a), 64u);
  const auto b = pool.join();
  EXPECT_EQ(pool.renew(b), 0u) << "the first was told that it has them all";
  EXPECT_EQ(pool.renew(a), 32u);
  EXPECT_EQ(pool.renew(b), 32u);
  pool.leave(a);
  EXPECT_EQ(pool.renew(b), 64u);
}

TEST(CreditPool, WhatIsInUseIsNotGivenToOthers) {
  auto pool = credit_pool{8};
  const auto a = pool.join();
  EXPECT_EQ(pool.renew(a), 8u);
  for (auto i = 0; i < 6; ++i)
    ASSERT_TRUE(pool.begin(a));
  const auto b = pool.join();
  EXPECT_EQ(pool.renew(a), 4u);
  EXPECT_FALSE(pool.begin(a)) << "it has more than its part";
  EXPECT_EQ(pool.renew(b), 2u);
  pool.end(a);
  pool.end(a);
  EXPECT_EQ(pool.renew(b), 4u);
}

TEST(CreditPool, MoreClientsThanCreditsMeansThatSomeHaveNone) {
  auto pool = credit_pool{2};
  auto sum = std::uint32_t{0};
  for (auto i = 0; i < 3; ++i) {
    const auto c = pool.join();
    sum += pool.renew(c);
  }
  EXPECT_LE(sum, 2u);
}

TEST(CreditPool, WhateverHappensNoMoreIsUnderWayThanThereAreCredits) {
  constexpr auto total = 64u;
  auto random = std::mt19937{7};
  auto pool = credit_pool{total};
  auto clients = std::vector<credit_pool::client>{};
  auto open = std::vector<credit_pool::client>{}; // one entry for each call
  for (auto step = 0; step < 20'000; ++step) {
    const auto pick = [&](const auto& of) { return random() % of.size(); };
    switch (random() % 8) {
    case 0:
      if (clients.size() < 10)
        clients.push_back(pool.join());
      break;
    case 1:
      if (!clients.empty() && random() % 4 == 0) {
        const auto gone = clients[pick(clients)];
        pool.leave(gone);
        std::erase(clients, gone);
        std::erase(open, gone);
      }
      break;
    case 2:
    case 3:
      if (!clients.empty())
        (void) pool.renew(clients[pick(clients)]);
      break;
    case 4:
      if (!open.empty()) {
        const auto i = pick(open);
        pool.end(open[i]);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      }
      break;
    default:
      if (!clients.empty())
        if (const auto c = clients[pick(clients)]; pool.begin(c))
          open.push_back(c);
    }
    ASSERT_LE(open.size(), total) << "step " << step;
  }
}

} // namespace
} // namespace larql::actors
