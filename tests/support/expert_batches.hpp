// Batches for tests of expert ports, with memory of their own.

#pragma once

#include "runtime/experts/expert_port.hpp"
#include "tests/support/random_weights.hpp"

#include <set>
#include <vector>

namespace larql::test {

struct batch_data {
  std::uint32_t hidden = 0;
  std::vector<float> x;
  std::vector<experts::assignment> assignments;

  [[nodiscard]] std::uint32_t rows() const { return static_cast<std::uint32_t>(x.size()) / hidden; }
  [[nodiscard]] experts::expert_batch batch(std::uint32_t layer) const {
    return {layer, rows(), hidden, x, assignments};
  }
};

/// Rows that go to `top_k` of `experts` experts each.
inline batch_data random_batch(std::uint32_t rows, std::uint32_t hidden, std::uint32_t experts,
                               std::uint32_t top_k, std::uint64_t seed = 8) {
  auto random = random_source{seed};
  auto out = batch_data{hidden, random_floats(random, std::size_t{rows} * hidden), {}};
  auto ids = std::vector<std::uint16_t>{};
  auto weights = std::vector<float>{};
  for (auto r = 0u; r < rows; ++r) {
    auto chosen = std::set<std::uint16_t>{};
    while (chosen.size() < top_k)
      chosen.insert(static_cast<std::uint16_t>(random.below(experts)));
    for (const auto id : chosen) {
      ids.push_back(id);
      weights.push_back(random.uniform(0.1f, 1.0f));
    }
  }
  experts::assignments_by_expert(ids, weights, top_k, out.assignments);
  return out;
}

/// Starts a batch, waits for it and returns the sums.
inline result<std::vector<std::int64_t>> sums_of(experts::expert_port& port,
                                                 const experts::expert_batch& batch) {
  LARQL_TRY(const auto ticket, port.start(batch));
  auto out = std::vector<std::int64_t>(std::size_t{batch.rows} * batch.hidden, 0);
  LARQL_TRY_VOID(ticket->wait(out, {}));
  return out;
}

} // namespace larql::test
