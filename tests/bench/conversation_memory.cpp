// larql_bench_conversation_memory: what a long conversation holds in keys and values with its
// snapshots, beside one sequence of the same length without any, for the shape of the 26B model.
// Nothing is computed; the memory is taken as a conversation takes it.

#include "runtime/generate/sequence.hpp"

#include <fmt/format.h>

#include <vector>

using namespace larql;

namespace {

// 30 layers, every sixth is full (source: docs/numerics.md).
gemma4::model shape_of_26b() {
  auto m = gemma4::model{};
  auto& c = m.config;
  c.layers = 30;
  c.hidden = 2816;
  c.window = 1024;
  c.q_heads = 16;
  c.kv_heads = 8;
  c.head_dim = 256;
  c.global_kv_heads = 2;
  c.global_head_dim = 512;
  for (auto l = 0u; l < c.layers; ++l)
    c.sliding.push_back(l % 6 != 5);
  return m;
}

void append(generate::sequence& s, std::uint32_t tokens) {
  constexpr auto chunk = 256u;
  while (tokens > 0) {
    const auto n = std::min(tokens, chunk);
    if (!s.cache().prepare(s.size(), s.size() + n))
      std::exit(1);
    const auto ids = std::vector<std::uint32_t>(n);
    const auto rows = std::vector<float>(std::size_t{n} * 2816);
    s.commit(ids, rows);
    tokens -= n;
  }
}

} // namespace

int main() {
  const auto model = shape_of_26b();
  const auto pool = gemma4::kv_pool::create();
  const auto talk = *generate::sequence::create(model, pool, {});
  const auto plain = *generate::sequence::create(model, pool, {});
  fmt::print("{:>5} {:>7} {:>14} {:>14} {:>6}\n", "turn", "tokens", "with snapshots", "without",
             "ratio");
  append(*talk, 200);
  append(*plain, 200);
  talk->mark(generate::boundary::system, 200);
  auto worst = 0.0;
  for (auto turn = 1; turn <= 20; ++turn) {
    for (auto* s : {talk.get(), plain.get()}) {
      append(*s, 150);
      if (s == talk.get())
        s->mark(generate::boundary::turn, s->size());
      append(*s, 150);
    }
    const auto ratio =
        static_cast<double>(talk->kv_bytes()) / static_cast<double>(plain->kv_bytes());
    worst = std::max(worst, ratio);
    fmt::print("{:>5} {:>7} {:>11.1f} MB {:>11.1f} MB {:>6.2f}\n", turn, talk->size(),
               static_cast<double>(talk->kv_bytes()) * 1e-6,
               static_cast<double>(plain->kv_bytes()) * 1e-6, ratio);
  }
  fmt::print("largest ratio: {:.2f}\n", worst);
}
