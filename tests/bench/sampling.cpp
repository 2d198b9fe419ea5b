// larql_bench_sampling: how long choosing one token of Gemma's vocabulary takes, for the options
// that clients send, beside a full sort.

#include "runtime/generate/sampler.hpp"
#include "tests/support/random_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>

using namespace larql;

namespace {

constexpr auto vocab = std::size_t{262144};
constexpr auto rounds = 41;

template <class Work>
double median_ms(Work work) {
  auto times = std::vector<double>{};
  for (auto i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work(static_cast<std::uint64_t>(i));
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}

generate::sampling_options with(float temperature, std::uint32_t top_k, float top_p, float min_p) {
  auto o = generate::sampling_options{};
  o.temperature = temperature;
  o.top_k = top_k;
  o.top_p = top_p;
  o.min_p = min_p;
  return o;
}

} // namespace

int main() {
  auto random = test::random_source{1};
  auto shapes = std::vector<std::pair<std::string, std::vector<float>>>{};
  shapes.emplace_back("like a model's", test::random_floats(random, vocab, 3.0f));
  for (auto i = 0; i < 200; ++i)
    shapes[0].second[random.below(vocab)] += random.uniform(0, 16);
  shapes.emplace_back("all equal", std::vector<float>(vocab, 1.0f));
  auto ties = shapes[0].second;
  for (auto& x : ties)
    x = std::round(x);
  shapes.emplace_back("many ties", ties);
  const auto* k = *kernels::kernels_by_name("");
  auto scratch = generate::sampling_scratch{*k};
  auto sink = std::uint64_t{0};
  fmt::print("median ms of {} for {} tokens, {}\n", rounds, vocab, kernels::name_of(k->level));
  for (const auto& [shape, logits] : shapes) {
    fmt::print("{}:\n", shape);
    for (const auto& [name, o] :
         {std::pair{"greedy", with(0, 0, 1, 0)},
          std::pair{"temperature 1 (an OpenAI client's default)", with(1, 0, 1, 0)},
          std::pair{"temperature 1, top-k 64, top-p 0.95 (Gemma's)", with(1, 64, 0.95f, 0)},
          std::pair{"temperature 0.7, top-p 0.9, min-p 0.05", with(0.7f, 0, 0.9f, 0.05f)},
          std::pair{"temperature 2, top-k 100000", with(2, 100000, 1, 0)},
          std::pair{"temperature 100, top-p 0.99", with(100, 0, 0.99f, 0)}}) {
      const auto s = generate::sampler{o};
      fmt::print("  {:<50} {:.3f}\n", name,
                 median_ms([&](auto i) { sink += s.choose(logits, i, scratch); }));
    }
    auto order = std::vector<std::uint32_t>(vocab);
    fmt::print("  {:<50} {:.3f}\n", "a full sort", median_ms([&](auto) {
                 std::iota(order.begin(), order.end(), 0u);
                 std::sort(order.begin(), order.end(), [&](auto a, auto b) {
                   return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                 });
                 sink += order[0];
               }));
  }
  return sink == 42;
}
