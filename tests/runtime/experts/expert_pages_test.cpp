// Mirrors runtime/experts/expert_bank.hpp: pages that hold only other nodes' experts never become
// resident, neither in this process nor in the page cache.

#include "runtime/experts/expert_compute.hpp"
#include "runtime/vindex/format.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/page_cache.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::succeeds;

// Sixteen experts of 864 KB each: far apart compared with any read-ahead.
test::tiny_options large_experts() {
  auto o = test::tiny_options{};
  o.layers = 2;
  o.experts = 16;
  o.top_k = 2;
  o.expert_width = 288;
  return o;
}

class ExpertPages : public testing::TestWithParam<index_range> {
protected:
  ExpertPages() : v_(large_experts()) {}

  // Runs every owned expert of every layer on a few rows.
  void compute(const expert_bank& bank) {
    auto pool = compute_pool{2};
    const auto compute = kernels::compute{**kernels::kernels_for(kernels::best_simd_level()), pool};
    auto compute_experts = expert_compute{compute, bank};
    auto random = test::random_source{1};
    const auto x = test::random_floats(random, 3 * 256);
    auto rows = kernels::activation_rows{};
    rows.reset(kernels::activation_format::f32, 3, 256);
    for (auto r = 0u; r < 3; ++r)
      rows.set_row(compute.k, r, std::span{x}.subspan(r * 256, 256));
    for (auto l = 0u; l < 2; ++l) {
      auto assignments = std::vector<assignment>{};
      for (auto e = GetParam().first; e <= GetParam().last; ++e)
        for (auto r = 0u; r < 3; ++r)
          assignments.push_back({r, e, 0.5f});
      auto sums = std::vector<std::int64_t>(3 * 256);
      ASSERT_TRUE(succeeds(compute_experts.run(l, rows.view(), assignments, sums)));
    }
  }

  test::tiny_vindex v_;
};

TEST_P(ExpertPages, OnlyPagesWithOwnedBytesAreEverResident) {
  const auto& c = v_.config();
  auto headers = std::vector<vindex::layer_header>{};
  for (auto l = 0u; l < 2; ++l) {
    const auto path = v_ / vindex::layer_file_name(l);
    headers.push_back(*vindex::read_layer_header(*file::open(path), c));
    if (!test::drop_pages(path))
      GTEST_SKIP() << "this file system keeps pages in memory: " << path;
  }
  const auto bank = expert_bank::open(v_.path(), c, {{0, 1}, GetParam()});
  ASSERT_TRUE(succeeds(bank));
  compute(*bank);
  const auto page = test::page_bytes();
  for (auto l = 0u; l < 2; ++l) {
    const auto& h = headers[l];
    const auto path = v_ / vindex::layer_file_name(l);
    const auto resident = test::resident_pages(path);
    // Header and table are read by everybody.
    auto wanted = std::vector<bool>(resident.size());
    for (auto p = std::uint64_t{0}; p <= (h.entries[0].gate_up_offset - 1) / page; ++p)
      wanted[p] = true;
    const auto mark = [&](std::uint64_t begin, std::uint64_t bytes) {
      for (auto p = begin / page; p <= (begin + bytes - 1) / page; ++p)
        wanted[p] = true;
    };
    for (auto e = GetParam().first; e <= GetParam().last; ++e) {
      mark(h.entries[e].gate_up_offset, h.gate_up_bytes);
      mark(h.entries[e].down_offset, h.down_bytes);
    }
    auto extra = std::vector<std::size_t>{};
    for (auto p = std::size_t{0}; p < resident.size(); ++p)
      if (resident[p] && !wanted[p])
        extra.push_back(p);
    EXPECT_TRUE(extra.empty()) << path << ": " << testing::PrintToString(extra) << " of others";
    // And what is owned was really used, so the test means something.
    EXPECT_TRUE(resident[h.entries[GetParam().last].down_offset / page]);
    const auto owned = h.expert_bytes() * GetParam().count();
    EXPECT_LE(test::mapped_resident_bytes(path), owned + 2 * page);
    EXPECT_GE(test::mapped_resident_bytes(path), owned / 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranges, ExpertPages,
                         testing::Values(index_range{0, 3}, index_range{4, 9}, index_range{15, 15}),
                         [](const auto& p) {
                           return fmt::format("{}to{}", p.param.first, p.param.last);
                         });

} // namespace
} // namespace larql::experts
