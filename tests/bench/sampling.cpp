// larql_bench_sampling: how long choosing one token of Gemma's vocabulary takes, for the options
// that clients send, beside a full sort.

#include "runtime/generate/logprobs.hpp"
#include "runtime/generate/sampler.hpp"
#include "tests/support/random_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
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

// Options beside the usual ones: what every row of logits costs with them.
struct extra {
  const char* name;
  generate::sampler chooser;
  std::optional<grammar::token_mask> mask{};
};

std::vector<extra> extras() {
  auto out = std::vector<extra>{};
  const auto gemma = with(1, 64, 0.95f, 0);
  auto penalised = gemma;
  penalised.repetition_penalty = 1.1f;
  penalised.presence_penalty = 0.5f;
  penalised.frequency_penalty = 0.5f;
  for (auto i = 0u; i < 300; ++i)
    penalised.bias.emplace_back(i * 811, -1.0f);
  out.push_back({"300 biases, penalties of 2,000 tokens", generate::sampler{penalised}});
  for (auto i = 0u; i < 2000; ++i)
    out.back().chooser.add(i * 131);
  auto few = std::vector<std::uint32_t>{};
  for (auto i = 0u; i < 1500; ++i)
    few.push_back(i * 170);
  out.push_back({"a mask of 1,500 tokens", generate::sampler{gemma},
                 grammar::token_mask::of_list(few, vocab)});
  auto random = test::random_source{7};
  auto half = std::vector<std::uint64_t>(vocab / 64);
  for (auto& word : half)
    for (auto bit = 0; bit < 64; ++bit)
      word |= static_cast<std::uint64_t>(random.below(2)) << bit;
  out.push_back({"a mask of half of the tokens", generate::sampler{gemma},
                 grammar::token_mask::of_bits(half, vocab)});
  out.push_back({"all of these", out[0].chooser, out[2].mask});
  return out;
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
    for (const auto& e : extras())
      fmt::print("  {:<50} {:.3f}\n", e.name, median_ms([&](auto i) {
                   sink += e.chooser.choose(logits, i, scratch, e.mask ? &*e.mask : nullptr);
                 }));
    fmt::print(
        "  {:<50} {:.3f}\n", "logprobs of 20 tokens (beside choosing)", median_ms([&](auto i) {
          sink +=
              generate::logprobs_of(logits, static_cast<std::uint32_t>(i), 20, *k, scratch.terms)
                  .top[0]
                  .token;
        }));
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
