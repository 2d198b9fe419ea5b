// Mirrors actors/session/client_table.hpp.

#include "actors/session/client_table.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace larql::actors {
namespace {

TEST(ClientTable, AClientHasOnePlaceForAllItsRequests) {
  auto t = client_table{};
  const auto a = t.enter("a"), b = t.enter("b");
  EXPECT_NE(a, b);
  EXPECT_EQ(t.enter("a"), a);
  EXPECT_EQ(t.requests_of("a"), 2u);
  t.leave(a);
  EXPECT_EQ(t.requests_of("a"), 1u);
  EXPECT_EQ(t.requests_of("nobody"), 0u);
}

TEST(ClientTable, WhoComesBackAtOnceIsRemembered) {
  auto t = client_table{};
  const auto a = t.enter("a");
  const auto b = t.enter("b");
  t.had_by(a) = {100, 5};
  t.had_by(b) = {90, 9};
  t.leave(a);
  EXPECT_EQ(t.enter("a"), a);
  EXPECT_EQ(t.had()[a].decoded, 100u);
  EXPECT_EQ(t.had()[a].read, 9u) << "no less than those that stayed";
}

TEST(ClientTable, WhoIsNewCountsAsHavingHadWhatTheOthersHad) {
  auto t = client_table{};
  t.had_by(t.enter("a")) = {100, 50};
  t.had_by(t.enter("b")) = {80, 60};
  const auto c = t.enter("c");
  EXPECT_EQ(t.had()[c].decoded, 80u);
}

TEST(ClientTable, ManyAbsentClientsAreForgotten) {
  auto t = client_table{};
  const auto stays = t.enter("stays");
  for (auto i = 0; i < 5000; ++i)
    t.leave(t.enter(fmt::format("client {}", i)));
  EXPECT_LE(t.had().size(), client_table::most_absent + 3);
  EXPECT_EQ(t.enter("stays"), stays);
}

} // namespace
} // namespace larql::actors
