// Matrix products of the instruction set that LARQL_SIMD names, or the best one: bytes of weights
// per second, weights per cycle of the time-stamp counter, and the share of the products that one
// core does at most ("probe", product_probe.hpp).
//
// "cache" runs over a matrix that stays in the second-level cache: the speed of the instructions.
// "memory" runs over 256 MB with all threads: what decoding sees.

#include "runtime/base/compute_pool.hpp"
#include "runtime/base/memory_bandwidth.hpp"
#include "runtime/base/reserved_memory.hpp"
#include "runtime/kernels/linear.hpp"
#include "tests/bench/product_probe.hpp"
#include "tests/support/random_weights.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace larql {
namespace {

using quant::encoding;

constexpr std::uint32_t hidden = 2816;
constexpr std::size_t cache_bytes = 512 << 10;
constexpr std::size_t memory_bytes = 256 << 20;

std::uint64_t ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return 0;
#endif
}

const kernels::kernel_set& wanted_kernels() {
  const auto* name = std::getenv("LARQL_SIMD");
  return **kernels::kernels_by_name(name == nullptr ? "" : name);
}

// The fastest way of the instruction set; 0 if it has no probe.
double probe_of(kernels::simd_level level) {
  auto best = 0.0;
  for (const auto& probe : product_probes())
    if (probe.level == level)
      best = probe.products_per_second();
  return best;
}

// A matrix of about `bytes`, made of one random megabyte again and again.
class big_matrix {
public:
  big_matrix(encoding e, std::uint32_t cols, std::size_t bytes) {
    const auto row = quant::row_bytes(e, cols);
    const auto rows = std::max<std::size_t>(bytes / row / 16 * 16, 16);
    memory_ = *reserved_memory::reserve(rows * row);
    memory_.prefer_huge_pages();
    auto random = test::random_source{1};
    const auto some = std::min<std::size_t>(rows, 512);
    const auto pattern = random_matrix(random, e, some, cols);
    for (auto r = std::size_t{0}; r < rows; ++r)
      std::memcpy(memory_.data() + r * row, pattern.data() + r % some * row, row);
    view_ = {e, static_cast<std::uint32_t>(rows), cols, memory_.data()};
  }
  [[nodiscard]] const quant::matrix_view& view() const { return view_; }

private:
  reserved_memory memory_;
  quant::matrix_view view_;
};

kernels::activation_rows make_inputs(encoding e, std::uint32_t inputs, std::uint32_t cols) {
  auto random = test::random_source{2};
  auto out = kernels::activation_rows{};
  out.reset(activation_for(e), inputs, cols);
  for (auto i = 0u; i < inputs; ++i)
    out.set_row(wanted_kernels(), i, test::random_floats(random, cols));
  return out;
}

void count(benchmark::State& state, const quant::matrix_view& w, std::uint32_t inputs,
           std::uint64_t spent_ticks, unsigned threads) {
  static const auto probe = probe_of(wanted_kernels().level);
  const auto bytes = static_cast<double>(w.rows * w.stride_bytes());
  const auto weights = static_cast<double>(w.rows) * w.cols * inputs;
  const auto rounds = static_cast<double>(state.iterations());
  state.counters["GB/s"] = benchmark::Counter(bytes * rounds * 1e-9, benchmark::Counter::kIsRate);
  state.counters["weights/tick"] = weights * rounds / static_cast<double>(spent_ticks);
  if (probe > 0 && quant::shape_of(w.format).weights > 1)
    state.counters["probe"] =
        benchmark::Counter(weights * rounds / (probe * threads), benchmark::Counter::kIsRate);
}

void in_cache(benchmark::State& state, encoding e, std::uint32_t inputs, std::uint32_t cols) {
  const auto matrix = big_matrix{e, cols, cache_bytes};
  const auto& w = matrix.view();
  const auto x = make_inputs(e, inputs, cols);
  const auto view = x.view();
  auto out = std::vector<float>(std::size_t{w.rows} * inputs);
  const auto f = wanted_kernels().matmul[static_cast<std::size_t>(e)];
  const auto begin = ticks();
  for (auto _ : state) {
    f(w, 0, w.rows, view, 0, inputs, out.data(), w.rows);
    benchmark::ClobberMemory();
  }
  count(state, w, inputs, ticks() - begin, 1);
}

void from_memory(benchmark::State& state, encoding e, std::uint32_t rows, std::uint32_t cols) {
  const auto matrix = big_matrix{e, cols, memory_bytes};
  const auto& w = matrix.view();
  auto pool = compute_pool{std::thread::hardware_concurrency()};
  auto random = test::random_source{2};
  const auto x = test::random_floats(random, std::size_t{rows} * cols);
  auto inputs = kernels::quantized_inputs{};
  auto out = std::vector<float>(std::size_t{rows} * w.rows);
  const auto begin = ticks();
  for (auto _ : state) {
    inputs.bind(x.data(), rows, cols, cols);
    const auto p = kernels::linear_job{w, out.data(), w.rows};
    kernels::matmul({wanted_kernels(), pool}, inputs, {&p, 1});
    benchmark::ClobberMemory();
  }
  count(state, w, rows, ticks() - begin, pool.threads());
}

void read_only(benchmark::State& state) {
  auto pool = compute_pool{std::thread::hardware_concurrency()};
  auto best = 0.0;
  for (auto _ : state)
    best = std::max(best, *read_bandwidth(pool));
  state.counters["GB/s"] = best * 1e-9;
}

void products_from_registers(benchmark::State& state, const product_probe& probe) {
  auto rate = 0.0;
  for (auto _ : state)
    rate = probe.products_per_second();
  state.counters["products/s"] = rate;
}

void empty_loop(benchmark::State& state) {
  auto pool = compute_pool{std::thread::hardware_concurrency()};
  auto sink = std::vector<std::size_t>(pool.threads() * 8);
  for (auto _ : state)
    pool.parallel_for(pool.threads(), 1, [&](std::size_t begin, std::size_t, unsigned worker) {
      sink[worker * 8] = begin;
    });
}

void register_all() {
  for (const auto e : quant::all_encodings) {
    const auto name = std::string{quant::name_of(e)};
    for (const auto inputs : {1u, 2u, 3u, 4u, 6u, 8u, 16u, 64u})
      benchmark::RegisterBenchmark(("cache/" + name + "/inputs:" + std::to_string(inputs)).c_str(),
                                   [=](benchmark::State& s) { in_cache(s, e, inputs, hidden); });
    for (const auto inputs : {1u, 2u, 3u, 4u, 8u})
      benchmark::RegisterBenchmark(("memory/" + name + "/inputs:" + std::to_string(inputs)).c_str(),
                                   [=](benchmark::State& s) { from_memory(s, e, inputs, hidden); })
          ->UseRealTime();
  }
  // The experts' down matrices are narrow.
  for (const auto e : quant::all_encodings) {
    if (quant::shape_of(e).weights != 32)
      continue;
    benchmark::RegisterBenchmark(("memory/" + std::string{quant::name_of(e)} + "/cols:704").c_str(),
                                 [=](benchmark::State& s) { from_memory(s, e, 1, 704); })
        ->UseRealTime();
  }
  for (const auto& probe : product_probes())
    benchmark::RegisterBenchmark(
        fmt::format("probe/{}/{}", name_of(probe.level), probe.name).c_str(),
        [=](benchmark::State& s) { products_from_registers(s, probe); })
        ->Iterations(1);
  benchmark::RegisterBenchmark("memory/read_only", read_only)->Iterations(1)->UseRealTime();
  benchmark::RegisterBenchmark("pool/empty_loop", empty_loop)->UseRealTime();
}

} // namespace
} // namespace larql

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (const auto* name = std::getenv("LARQL_SIMD"); name != nullptr)
    if (const auto k = larql::kernels::kernels_by_name(name); !k) {
      fmt::print(stderr, "{}\n", k.error().text);
      return 2;
    }
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  larql::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
