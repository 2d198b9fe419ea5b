// Mirrors runtime/experts/maker_ledger.hpp: what is void once a node is condemned.

#include "runtime/experts/maker_ledger.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using namespace std::chrono_literals;

maker_ledger::time at(std::chrono::seconds t) {
  return maker_ledger::time{t};
}

TEST(MakerLedger, NothingIsVoidWhileNobodyIsCondemned) {
  auto l = maker_ledger{};
  EXPECT_FALSE(l.is_void({l.set_of(7)}, at(1s)));
  EXPECT_EQ(l.condemnations(), 0u);
}

TEST(MakerLedger, OfACondemnedMakerEverythingSinceItsLastGoodCheckIsVoid) {
  auto l = maker_ledger{};
  const auto both = l.set_of(7) | l.set_of(8);
  l.found_right(7, at(10s));
  l.found_right(7, at(5s)); // an older call that was answered later
  EXPECT_TRUE(l.condemn(7, "layer 3"));
  EXPECT_FALSE(l.is_void({both}, at(9s)));
  EXPECT_TRUE(l.is_void({both}, at(10s)));
  EXPECT_FALSE(l.is_void({l.set_of(8)}, at(11s)));
  EXPECT_EQ(l.right_until(7), at(10s));
}

TEST(MakerLedger, OfAMakerThatWasNeverCheckedEverythingIsVoid) {
  auto l = maker_ledger{};
  const auto set = l.set_of(7);
  l.condemn(7, "layer 3");
  EXPECT_TRUE(l.is_void({set}, at(0s)));
}

TEST(MakerLedger, AMakerIsCondemnedOnceAndForGood) {
  auto l = maker_ledger{};
  EXPECT_TRUE(l.condemn(7, "first"));
  EXPECT_FALSE(l.condemn(7, "second"));
  l.found_right(7, at(99s));
  EXPECT_TRUE(l.is_condemned(7));
  EXPECT_FALSE(l.is_condemned(8));
  EXPECT_EQ(l.why(7), "first; all that it computed is void");
  EXPECT_TRUE(l.is_void({l.set_of(7)}, at(50s)));
  EXPECT_EQ(l.condemnations(), 1u);
}

TEST(MakerLedger, MakersBeyondTheSixtyThirdShareABit) {
  auto l = maker_ledger{};
  for (auto i = 0u; i < 63; ++i)
    EXPECT_EQ(l.set_of(i), maker_set{1} << i);
  const auto a = l.set_of(100), b = l.set_of(101);
  EXPECT_EQ(a, b);
  l.condemn(101, "x");
  EXPECT_TRUE(l.is_void({a}, at(1s))); // too much rather than too little
  EXPECT_FALSE(l.is_void({l.set_of(5)}, at(1s)));
}

TEST(MakerLedger, ASetNamesItsMakers) {
  auto l = maker_ledger{};
  for (auto i = 0u; i < 63; ++i)
    (void) l.set_of(i);
  const auto shared = l.set_of(100);
  (void) l.set_of(101);
  using incarnations = std::vector<std::uint64_t>;
  EXPECT_EQ(l.incarnations_of(0), incarnations{});
  EXPECT_EQ(l.incarnations_of(l.set_of(3) | l.set_of(8)), (incarnations{3, 8}));
  EXPECT_EQ(l.incarnations_of(shared), (incarnations{100, 101})) << "all that share the bit";
}

// Otherwise what is computed again by one that shares its bit would be void as well, for ever.
TEST(MakerLedger, WhoWasCondemnedBeforeTheWorkBeganHadNoPartInIt) {
  auto l = maker_ledger{};
  for (auto i = 0u; i < 63; ++i)
    (void) l.set_of(i);
  const auto shared = l.set_of(100) | l.set_of(101);
  l.condemn(101, "x");
  EXPECT_TRUE(l.is_void({shared, 0}, at(1s)));
  EXPECT_FALSE(l.is_void({shared, l.condemnations()}, at(1s)));
  l.condemn(100, "y");
  EXPECT_TRUE(l.is_void({shared, 1}, at(1s)));
  EXPECT_FALSE(l.is_void({shared, 2}, at(1s)));
}

} // namespace
} // namespace larql::experts
