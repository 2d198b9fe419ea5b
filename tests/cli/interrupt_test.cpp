// Mirrors cli/interrupt.hpp in a process of its own, where a signal meets work that does not look.

#include "cli/interrupt.hpp"

#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>

namespace larql::cli {
namespace {

[[noreturn]] void raise_twice(bool cleared_between) {
  install_interrupt_handler();
  ::raise(SIGINT);
  if (!interrupted() || terminated())
    std::_Exit(1);
  if (cleared_between)
    clear_interrupt();
  ::raise(SIGINT);
  std::_Exit(interrupted() ? 0 : 1);
}

TEST(InterruptDeathTest, TheSecondCtrlCEndsTheProcessAtOnce) {
  EXPECT_EXIT(raise_twice(false), testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(InterruptDeathTest, AfterAClearTheNextIsAFirstOneAgain) {
  EXPECT_EXIT(raise_twice(true), testing::ExitedWithCode(0), "");
}

} // namespace
} // namespace larql::cli
