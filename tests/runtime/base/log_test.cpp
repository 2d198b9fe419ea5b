// Mirrors runtime/base/log.hpp.

#include "runtime/base/log.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

TEST(Log, AWriterGetsTheLinesInsteadOfStandardError) {
  static auto lines = std::string{};
  set_log_writer([](std::string_view component, std::string_view text) {
    lines += fmt::format("{}|{};", component, text);
  });
  log_warning("cluster", "node {} is away", "a");
  set_log_writer(nullptr);
  EXPECT_EQ(lines, "cluster|node a is away;");
}

} // namespace
} // namespace larql
