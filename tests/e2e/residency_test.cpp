// A node touches only what it owns (README.md, runtime/experts/expert_bank.hpp). What the kernel
// says counts: page cache, mappings, resident memory.

#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/page_cache.hpp"

#include <unistd.h>

namespace larql::test {
namespace {

// Experts of many pages each.
tiny_gguf large_experts() {
  auto m = tiny_gguf{};
  m.layers = 4;
  m.experts = 16;
  m.expert_width = 256;
  m.expert_encodings = {quant::encoding::f32};
  return m;
}

const auto page = page_bytes();

class Residency : public model_test {
protected:
  Residency() : model_test(large_experts()) {}

  void SetUp() override {
    model_test::SetUp();
    const auto probe = layer_file(0);
    const auto dropped = drop_pages(probe);
    const auto pages = resident_pages(probe);
    if (!dropped || pages.empty())
      GTEST_SKIP() << "this file system keeps every page in memory";
  }

  [[nodiscard]] fs::path layer_file(std::uint32_t l) const {
    return vindex() / fmt::format("layers/layer_{:02}.weights", l);
  }

  void drop_all() const {
    for (auto l = 0u; l < model_.layers; ++l)
      ASSERT_TRUE(drop_pages(layer_file(l)));
  }

  /// Pages that hold no byte of the experts first to last, nor of header and table.
  [[nodiscard]] std::vector<bool> foreign_pages(std::uint32_t l, std::uint32_t first,
                                                std::uint32_t last) const {
    const auto config = vindex::read_index(vindex());
    const auto in = file::open(layer_file(l));
    const auto h = vindex::read_layer_header(*in, *config);
    EXPECT_TRUE(h);
    auto out = std::vector<bool>((in->size_bytes() + page - 1) / page, true);
    const auto ours = [&](std::uint64_t begin, std::uint64_t bytes) {
      for (auto p = begin / page; p <= (begin + bytes - 1) / page; ++p)
        out[p] = false;
    };
    ours(0, vindex::layer_table_bytes(2, h->entries.size()));
    for (auto e = first; e <= last; ++e) {
      ours(h->entries[e].gate_up_offset, h->gate_up_bytes);
      ours(h->entries[e].down_offset, h->down_bytes);
    }
    return out;
  }

  /// Asks a node for every expert it owns, in every layer.
  static void use_everything(const node_process& node) {
    auto peer = raw_peer{node.port()};
    const auto description = peer.greet_to_call();
    ASSERT_TRUE(description);
    const auto& owned = description->owned;
    auto experts = std::vector<std::uint32_t>{};
    for (auto e = owned.experts.first; e <= owned.experts.last; ++e)
      experts.push_back(e);
    for (auto l = owned.layers.first; l <= owned.layers.last; ++l) {
      const auto example = call_example{*description, l, 2, experts};
      ASSERT_TRUE(peer.send(example.call));
      ASSERT_TRUE(peer.read<schema::expert_result>());
    }
  }

  [[nodiscard]] std::uint64_t bytes_of_experts(std::uint32_t n) const {
    return std::uint64_t{n} * 3 * model_.hidden * model_.expert_width * sizeof(float);
  }
};

TEST_F(Residency, PagesOfForeignExpertsStayOnDisk) {
  const auto node = start_node({"--experts", "4-9"}); // with neighbours on both sides
  drop_all();                                         // the headers that it read at its start
  use_everything(*node);
  for (auto l = 0u; l < model_.layers; ++l) {
    const auto foreign = foreign_pages(l, 4, 9);
    const auto resident = resident_pages(layer_file(l));
    for (auto p = std::size_t{0}; p < foreign.size(); ++p)
      EXPECT_FALSE(foreign[p] && resident[p]) << "layer " << l << ", page " << p;
    const auto n = static_cast<std::uint64_t>(std::count(resident.begin(), resident.end(), true));
    EXPECT_GE(n * page, bytes_of_experts(6)) << "layer " << l << ": the test did not use them all";
  }
}

TEST_F(Residency, ANodeMapsOwnedBytesOnly) {
  const auto node = start_node({"--experts", "4-9", "--layers", "1-2"});
  use_everything(*node);
  for (auto l = 0u; l < model_.layers; ++l) {
    const auto foreign = foreign_pages(l, 4, 9);
    auto resident = std::uint64_t{0};
    for (const auto& m : mappings_of(node->pid(), layer_file(l))) {
      for (auto p = m.offset / page; p < (m.offset + m.bytes) / page; ++p)
        EXPECT_FALSE(foreign.at(p)) << "layer " << l << ", page " << p;
      resident += m.resident;
    }
    if (l == 1 || l == 2)
      EXPECT_GE(resident, bytes_of_experts(6)) << "layer " << l;
    else
      EXPECT_EQ(resident, 0u) << "layer " << l;
  }
}

TEST_F(Residency, MemoryOfANodeIsItsExpertsAndASmallConstant) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "memory of the sanitizer";
#endif
  const auto small = start_node({"--experts", "0-1"}), large = start_node({"--experts", "0-13"});
  use_everything(*small);
  use_everything(*large);
  const auto constant = std::uint64_t{24} << 20; // libraries, stacks, scratch
  const auto bytes_small = bytes_of_experts(2 * model_.layers);
  const auto bytes_large = bytes_of_experts(14 * model_.layers);
  EXPECT_LT(memory_bytes(small->pid()), bytes_small + constant);
  EXPECT_LT(memory_bytes(large->pid()), bytes_large + constant);
  EXPECT_GT(memory_bytes(large->pid()), bytes_large);
}

TEST_F(Residency, StartingReadsHeadersOnly) {
  drop_all();
  const auto node = start_node({"--experts", "8-15"});
  // The kernel reads ahead behind a header, 128 kB by default.
  constexpr auto read_ahead_pages = std::size_t{64};
  for (auto l = 0u; l < model_.layers; ++l) {
    const auto pages = resident_pages(layer_file(l));
    const auto n = static_cast<std::size_t>(std::count(pages.begin(), pages.end(), true));
    EXPECT_LE(n, read_ahead_pages) << "layer " << l << " of " << pages.size() << " pages";
  }
}

// ---- --mlock ------------------------------------------------------------------------------------

/// A node that may lock so many bytes, whoever runs the test: root would not be limited.
words with_lock_limit(std::uint64_t bytes, const words& command) {
  auto out = words{"/usr/bin/prlimit", fmt::format("--memlock={0}:{0}", bytes)};
  if (::geteuid() == 0)
    out.insert(out.begin(), {"/usr/bin/setpriv", "--bounding-set", "-ipc_lock"});
  out.insert(out.end(), command.begin(), command.end());
  return out;
}

TEST_F(Residency, LockedPagesAreTheOwnedOnesIfTheLimitSuffices) {
  // Few enough that 8 MB suffice, which is what systems allow everybody.
  const auto bytes = bytes_of_experts(2 * 2);
  const auto limit = bytes + (std::uint64_t{1} << 20); // pages at both ends of each layer
  const auto command =
      with_lock_limit(limit, larql_node({vindex().string(), "--port", "0", "--experts", "4-5",
                                         "--layers", "1-2", "--mlock"}));
  if (run(with_lock_limit(limit, {"/bin/true"})).code != 0)
    GTEST_SKIP() << "the limit of locked memory cannot be set here";
  const auto node = child_process{command};
  ASSERT_TRUE(node.wait_for_out("ready")) << node.err();
  EXPECT_EQ(node.err().find("--mlock"), std::string::npos) << node.err();
  EXPECT_GE(memory_bytes(node.pid(), "VmLck"), bytes);
  EXPECT_LE(memory_bytes(node.pid(), "VmLck"), limit);
  EXPECT_GE(memory_bytes(node.pid()), bytes); // and so they are there before the first call
}

TEST_F(Residency, ALimitThatIsTooSmallIsNamedAndTheNodeServes) {
  const auto node = child_process{with_lock_limit(
      65536, larql_node({vindex().string(), "--port", "0", "--experts", "4-9", "--mlock"}))};
  ASSERT_TRUE(node.wait_for_out("ready")) << node.err();
  for (const auto* part : {"--mlock: ", "layer_00.weights", "RLIMIT_MEMLOCK is 65536 bytes",
                           "of experts are not locked"})
    EXPECT_NE(node.err().find(part), std::string::npos) << part << " is not in " << node.err();
}

} // namespace
} // namespace larql::test
