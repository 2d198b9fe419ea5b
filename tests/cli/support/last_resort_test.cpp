// Mirrors cli/support/last_resort.hpp: one line and exit code 1 instead of an abort.

#include "cli/support/last_resort.hpp"

#include <gtest/gtest.h>
#include <new>
#include <stdexcept>
#include <thread>

namespace larql::cli {
namespace {

volatile std::size_t too_much = std::size_t{1} << 62; // the compiler must not see how much

TEST(LastResortDeathTest, AnExceptionThatNobodyCatchesIsALineAndExitCode1) {
  const auto end = [] {
    install_terminate_handler("program");
    std::thread{[] { throw std::runtime_error("no more\nthreads"); }}.join();
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(1), "^program: no more threads\n$");
}

TEST(LastResortDeathTest, AProgramThatStartsWithoutMemoryEnds) {
  const auto end = [] {
    install_terminate_handler("program");
    const auto starting = ends_without_memory{};
    ::operator delete(::operator new(too_much));
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(1), "^program: out of memory\n$");
}

TEST(LastResort, LaterAnAllocationThatFailsThrows) {
  auto starting = ends_without_memory{};
  starting.release();
  EXPECT_THROW(::operator delete(::operator new(too_much)), std::bad_alloc);
}

} // namespace
} // namespace larql::cli
