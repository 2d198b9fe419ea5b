// Mirrors cli/support/interrupt.hpp, with signals in processes of their own.

#include "cli/support/interrupt.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

namespace larql::cli {
namespace {

// Waits until the token is stopped; false after ten seconds.
bool stops(const std::stop_token& token) {
  auto mutex = std::mutex{};
  auto changed = std::condition_variable_any{};
  auto lock = std::unique_lock{mutex};
  (void) changed.wait_for(lock, token, std::chrono::seconds{10}, [] { return false; });
  return token.stop_requested();
}

[[noreturn]] void raise_twice(bool renewed_between) {
  auto scope = interrupt_scope{};
  const auto token = scope.token();
  ::raise(SIGINT);
  if (!scope.interrupted() || scope.terminated() || scope.signal() != SIGINT || !stops(token))
    std::_Exit(1);
  if (renewed_between) {
    scope.renew();
    if (scope.interrupted() || scope.token().stop_requested() || !token.stop_requested())
      std::_Exit(1);
  }
  ::raise(SIGINT);
  std::_Exit(stops(scope.token()) ? 0 : 1);
}

TEST(InterruptDeathTest, TheFirstSignalStopsTheTokenAndTheSecondEndsTheProcess) {
  EXPECT_EXIT(raise_twice(false), testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(InterruptDeathTest, AfterRenewTheNextSignalIsAFirstOneAgain) {
  EXPECT_EXIT(raise_twice(true), testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, TheHandlersOfBeforeComeBackWithTheEndOfTheScope) {
  EXPECT_EXIT(
      {
        { const auto scope = interrupt_scope{}; }
        ::raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

[[noreturn]] void hang_up(bool ignored) {
  if (ignored)
    std::signal(SIGHUP, SIG_IGN);
  auto scope = interrupt_scope{};
  ::raise(SIGHUP);
  std::_Exit(scope.terminated() ? exit_code_of_signal().value_or(1) : 0);
}

TEST(InterruptDeathTest, ATerminalThatGoesEndsTheProgramUnlessItWasToldToStay) {
  EXPECT_EXIT(hang_up(false), testing::ExitedWithCode(128 + SIGHUP), "");
  EXPECT_EXIT(hang_up(true), testing::ExitedWithCode(0), ""); // nohup
}

} // namespace
} // namespace larql::cli
