#include "runtime/base/memory_bandwidth.hpp"

#include "runtime/base/reserved_memory.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

namespace larql {

namespace {

constexpr std::size_t chunk_bytes = 1 << 20;
constexpr int passes = 8;
constexpr std::size_t prefetch_bytes = 4096; // ahead of the reads, as the kernels do it

std::uint64_t sum_words(const std::byte* p, std::size_t bytes) {
  std::uint64_t sum[8] = {};
  for (auto i = std::size_t{0}; i < bytes; i += 64) {
    __builtin_prefetch(p + i + prefetch_bytes);
    std::uint64_t words[8];
    std::memcpy(words, p + i, 64);
    for (auto w = 0; w < 8; ++w)
      sum[w] += words[w];
  }
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

} // namespace

result<double> read_bandwidth(compute_pool& pool, std::size_t bytes) {
  bytes = std::max(bytes / chunk_bytes, std::size_t{1}) * chunk_bytes;
  LARQL_TRY(auto buffer, reserved_memory::reserve(bytes));
  buffer.prefer_huge_pages();
  auto* data = buffer.data();
  const auto chunks = bytes / chunk_bytes;
  pool.parallel_for(chunks, 1, [&](std::size_t begin, std::size_t end, unsigned) {
    std::memset(data + begin * chunk_bytes, 1, (end - begin) * chunk_bytes);
  });
  auto best = 0.0;
  auto sum = std::atomic<std::uint64_t>{0}; // keeps the reads from being left out
  for (auto pass = 0; pass < passes; ++pass) {
    const auto begin_time = std::chrono::steady_clock::now();
    pool.parallel_for(chunks, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      sum.fetch_add(sum_words(data + begin * chunk_bytes, (end - begin) * chunk_bytes),
                    std::memory_order_relaxed);
    });
    const auto seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_time).count();
    best = std::max(best, static_cast<double>(bytes) / seconds);
  }
  if (sum.load() != passes * (bytes / 8) * 0x0101010101010101u)
    return fail(errc::internal, "the memory probe read back other bytes than it wrote");
  return best;
}

} // namespace larql
