// What a decoded layer takes from the heap once a cluster is warm: nothing on the laptop, and on a
// node what CAF's loop takes: when an actor that it runs wakes another (the shard the connection),
// it lists that one in a new vector, one small block for each call.
//
// An executable of its own, because it replaces operator new: every thread's allocations count.
// Laptop and nodes are in this process, each with an actor system of its own, over loopback TCP.

#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace {

struct allocation_counts {
  std::atomic<std::uint64_t> of_laptop{0};
  std::atomic<std::uint64_t> of_nodes{0};
};
allocation_counts allocations;
thread_local bool is_node_thread = false;

void* counted(std::size_t bytes, std::size_t alignment) {
  (is_node_thread ? allocations.of_nodes : allocations.of_laptop)
      .fetch_add(1, std::memory_order_relaxed);
  const auto rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  if (auto* p = std::aligned_alloc(alignment, rounded))
    return p;
  throw std::bad_alloc{};
}

} // namespace

// All other forms call these. Not inlined: GCC takes aligned_alloc behind new for a mistake.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return counted(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted(bytes, std::max(static_cast<std::size_t>(alignment), sizeof(void*)));
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  std::free(p);
}

namespace larql::actors {
namespace {

class SteadyState : public testing::Test {
protected:
  struct layer_counts {
    std::vector<std::uint64_t> laptop, nodes;
  };
  /// Allocations of each of `layers` layers over nodes with these experts, after a warm-up.
  layer_counts count(std::initializer_list<experts::index_range> owners, std::size_t layers) {
    const auto& c = model.config();
    auto nodes = std::vector<std::unique_ptr<test::live_node>>{};
    auto shards = std::vector<topology::shard_entry>{};
    for (const auto& owned : owners) {
      nodes.push_back(
          std::make_unique<test::live_node>(model, experts::ownership{{0, c.layers - 1}, owned},
                                            "node" + std::to_string(nodes.size())));
      nodes.back()->before_call = [] { is_node_thread = true; };
      shards.push_back({owned, {"127.0.0.1", nodes.back()->port(), false}});
    }
    auto topology = topology::cluster_of(shards);
    topology.limits.heartbeat = std::chrono::minutes{10}; // its messages belong to no layer
    const auto weights = vindex::name_weights(model.path(), c);
    auto cluster = cluster::connect(sys, {topology, identity_of(c, *weights), "test"});
    if (!test::succeeds(cluster))
      return {};
    auto pool = compute_pool{1};
    auto port = remote_experts{sys,
                               (*cluster)->router(),
                               (*cluster)->formats(),
                               {**kernels::kernels_by_name(""), pool},
                               (*cluster)->limits()};
    auto random = test::random_source{1};
    const auto x = test::random_floats(random, c.hidden);
    auto assignments = std::vector<experts::assignment>{}; // of all nodes
    for (auto e = 0u; e < c.experts; ++e)
      assignments.push_back({0, e, 0.25f});
    auto out = std::vector<std::int64_t>(c.hidden);
    auto counts = layer_counts{};
    counts.laptop.reserve(layers);
    counts.nodes.reserve(layers);
    for (auto i = std::size_t{0}; i < warm_up + layers; ++i) {
      const auto laptop = allocations.of_laptop.load(), node = allocations.of_nodes.load();
      auto ticket =
          port.start({static_cast<std::uint32_t>(i % c.layers), 1, c.hidden, x, assignments});
      if (!test::succeeds(ticket) || !test::succeeds((*ticket)->wait(out, {})))
        return {};
      ticket->drop();
      if (i < warm_up)
        continue;
      counts.laptop.push_back(allocations.of_laptop.load() - laptop);
      counts.nodes.push_back(allocations.of_nodes.load() - node);
    }
    return counts;
  }

  static constexpr std::size_t warm_up = 500;

  test::tiny_vindex model{test::all_in(quant::encoding::q8_0)};
  system_config config;
  caf::actor_system sys{config};
};

// A deadline's tick, or a buffer that a layer uses for the first time: some layers may take
// something, most must not.
std::uint64_t median(std::vector<std::uint64_t> counts) {
  std::nth_element(counts.begin(), counts.begin() + counts.size() / 2, counts.end());
  return counts[counts.size() / 2];
}

TEST_F(SteadyState, ALayerOverOneNodeTakesNothingFromTheHeapButOneBlockOfTheNodesLoop) {
  const auto counts = count({{0, model.config().experts - 1}}, 500);
  ASSERT_FALSE(counts.laptop.empty());
  EXPECT_EQ(median(counts.laptop), 0u);
  EXPECT_LE(median(counts.nodes), 1u);
}

TEST_F(SteadyState, ALayerOverTwoNodesTakesNothingFromTheHeapButOneBlockOfEachNodesLoop) {
  const auto n = model.config().experts;
  const auto counts = count({{0, n / 2 - 1}, {n / 2, n - 1}}, 500);
  ASSERT_FALSE(counts.laptop.empty());
  EXPECT_EQ(median(counts.laptop), 0u);
  EXPECT_LE(median(counts.nodes), 2u);
}

} // namespace
} // namespace larql::actors
