// Mirrors cli/support/hub_model.hpp for checkpoints: a repository of safetensors in the place of a
// model.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/safetensors_writer.hpp"

namespace larql::test {
namespace {

class HubCheckpoint : public testing::Test {
protected:
  HubCheckpoint() {
    write_hf(tiny_model{all_in(quant::encoding::bf16)}.checkpoint(), checkpoint(),
             {.prefix = "model.language_model.", .shards = 2, .vision = false});
    hub_.commit_directory("ann/tiny", checkpoint());
    for (const auto& [name, content] : read_tree(checkpoint()))
      bytes_ += content.size();
  }
  [[nodiscard]] fs::path checkpoint() const { return scratch_ / "tiny"; }
  [[nodiscard]] child_process::variables machine(const std::string& name) const {
    auto out = hub_.environment();
    out["LARQL_CACHE"] = (scratch_ / name).string();
    return out;
  }
  [[nodiscard]] words ask(const std::string& model, const std::string& file) const {
    return larql({"logits", model, "--ids", "2 5 77", "-o", (scratch_ / file).string()});
  }

  temporary_directory scratch_;
  hub_server hub_;
  std::uint64_t bytes_ = 0;
};

TEST_F(HubCheckpoint, IsMadeAVindexWhileItArrivesOnce) {
  ASSERT_EQ(run(larql({"extract", checkpoint().string(), "--quant", "q4k", "-o",
                       (scratch_ / "x.vindex").string()}))
                .code,
            0);
  ASSERT_EQ(run(ask((scratch_ / "x.vindex").string(), "want")).code, 0);
  const auto looked = run(larql({"inspect", "hf://ann/tiny"}), machine("laptop"));
  EXPECT_EQ(looked.code, 1); // nothing large is made for a look
  const auto first = run(ask("hf://ann/tiny", "first"), machine("laptop"));
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.err.find("while it arrives"), std::string::npos) << first.err;
  EXPECT_EQ(difference(read_file(scratch_ / "first"), read_file(scratch_ / "want")), "");
  hub_.forget_calls();
  const auto second = run(ask("hf://ann/tiny", "second"), machine("laptop"));
  EXPECT_EQ(second.err, "");
  EXPECT_EQ(read_file(scratch_ / "second"), read_file(scratch_ / "first"));
  EXPECT_TRUE(hub_.hub().calls().empty());
  EXPECT_EQ(run(larql({"inspect", "hf://ann/tiny"}), machine("laptop")).code, 0);
  const auto listed = run(larql({"cache", "list"}), machine("laptop")).out;
  EXPECT_NE(listed.find("hf://ann/tiny"), std::string::npos) << listed;
  EXPECT_EQ(listed.find("gone"), std::string::npos) << listed;
  const auto node = node_process{"hf://ann/tiny", {"--experts", "2-3"}, machine("laptop")};
}

TEST_F(HubCheckpoint, AKillCostsLittle) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{5}});
  {
    auto child = child_process{ask("hf://ann/tiny", "x"), machine("m")};
    ASSERT_TRUE(hub_.storage().wait_for_sent(bytes_ * 3 / 4));
    child.signal(SIGKILL);
    (void) child.wait();
  }
  hub_.storage().clear_faults();
  hub_.forget_calls();
  const auto done = run(ask("hf://ann/tiny", "x"), machine("m"));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_LT(hub_.storage().sent_bytes(), bytes_ * 3 / 4);
}

} // namespace
} // namespace larql::test
