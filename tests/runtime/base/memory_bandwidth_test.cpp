// Mirrors runtime/base/memory_bandwidth.hpp.

#include "runtime/base/memory_bandwidth.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

TEST(ReadProbe, ReadsTheWholeBufferWithAnyNumberOfThreads) {
  for (const auto threads : {1u, 3u}) {
    auto pool = compute_pool{threads};
    for (const auto bytes : {std::size_t{1}, std::size_t{3} << 20}) {
      const auto rate = read_bandwidth(pool, bytes);
      ASSERT_TRUE(rate) << rate.error().text; // it checks what it read
      EXPECT_GT(*rate, 0);
    }
  }
}

} // namespace
} // namespace larql
