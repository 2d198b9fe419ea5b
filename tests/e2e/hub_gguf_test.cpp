// Mirrors cli/support/hub_model.hpp: GGUF files of the Hub in the place of a model, for the laptop
// and for nodes.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"

namespace larql::test {
namespace {

// Matrices that are used from the file, and some that are stored otherwise.
tiny_gguf with_q6k() {
  auto out = tiny_gguf{};
  out.expert_encodings = {quant::encoding::q6_k, quant::encoding::q8_0, quant::encoding::f32};
  return out;
}

class HubGguf : public model_test {
protected:
  HubGguf() : model_test(with_q6k()) {}

  void SetUp() override {
    model_test::SetUp();
    content_ = read_file(gguf());
    hub_.commit("ann/g", {{"tiny-Q6_K.gguf", content_}, {"README.md", "a model"}});
  }
  [[nodiscard]] child_process::variables machine(const std::string& name) const {
    auto out = hub_.environment();
    out["LARQL_CACHE"] = (scratch_ / name).string();
    return out;
  }
  [[nodiscard]] std::size_t requests() {
    return hub_.hub().calls().size() + hub_.storage().calls().size();
  }
  // The vindexes in a machine's cache that point into files.
  [[nodiscard]] std::vector<fs::path> located(const std::string& name) const {
    auto out = std::vector<fs::path>{};
    for (const auto& f : fs::directory_iterator{scratch_ / name / "files"})
      if (fs::exists(f.path() / "locations.json"))
        out.push_back(f.path());
    return out;
  }

  hub_server hub_;
  std::string content_;
};

TEST_F(HubGguf, RunsWhatItsVindexRunsAndNeedsNoNetworkTheSecondTime) {
  const auto want = run(larql({"run", vindex().string(), "abc", "-q", "-n", "10"})).out;
  for (const auto* model : {"hf://ann/g:q6_k", "hf://ann/g/tiny-Q6_K.gguf", "hf://ann/g"}) {
    const auto ran = run(larql({"run", model, "abc", "-q", "-n", "10"}), machine("laptop"));
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, want) << model;
    hub_.forget_calls();
  }
  hub_.commit("ann/g", {{"tiny-Q6_K.gguf", "moved on"}});
  EXPECT_EQ(run(larql({"run", "hf://ann/g:Q6_K", "abc", "-q", "-n", "10"}), machine("laptop")).out,
            want);
  EXPECT_EQ(requests(), 0u);
  EXPECT_EQ(read_file(scratch_ / "laptop/hub/ann/g@main/tiny-Q6_K.gguf"), content_);
  EXPECT_EQ(located("laptop").size(), 1u);
}

TEST_F(HubGguf, WhatIsMissingOrAmbiguousGivesTheList) {
  hub_.commit("ann/g", {{"tiny-Q8_0.gguf", content_}, {"mmproj-F16.gguf", "x"}});
  const auto several = run(larql({"run", "hf://ann/g", "abc"}), machine("laptop"));
  EXPECT_EQ(several.code, 2);
  const auto missing = run(larql({"run", "hf://ann/g:Q4_K_M", "abc"}), machine("laptop"));
  EXPECT_EQ(missing.code, 1);
  for (const auto& said : {several.err, missing.err}) {
    for (const auto* part : {"tiny-Q6_K.gguf (", "tiny-Q8_0.gguf (", "MB)"})
      EXPECT_NE(said.find(part), std::string::npos) << said;
    EXPECT_EQ(said.find("mmproj"), std::string::npos) << said;
  }
}

TEST_F(HubGguf, LaptopAndNodesFetchWhatTheyNeedAndGiveTheBitsOfTheWhole) {
  const auto expected = logits();
  auto nodes = std::vector<node_ptr>{};
  for (const auto* range : {"0-3", "4-7"}) {
    hub_.forget_calls();
    nodes.push_back(std::make_unique<node_process>("hf://ann/g:Q6_K", words{"--experts", range},
                                                   machine(std::string{"node"} + range)));
    EXPECT_LT(hub_.storage().sent_bytes(), content_.size() * 3 / 4);
  }
  hub_.forget_calls();
  const auto out = scratch_ / "remote.logits";
  const auto ran = run(larql({"logits", "hf://ann/g:Q6_K", "--ids", prompt_ids, "-o", out.string(),
                              "--moe-shards", shard_map(nodes, {"0-3", "4-7"})}),
                       machine("laptop"));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(difference(read_file(out), expected), "");
  EXPECT_LT(hub_.storage().sent_bytes(), content_.size() * 3 / 4);
  for (const auto& node : nodes)
    EXPECT_NE(node->child().err().find("could not be checked"), std::string::npos);
}

TEST_F(HubGguf, AHoleIsRefusedByExpertUntilItsBytesAreHere) {
  { const auto node = node_process{"hf://ann/g:Q6_K", {"--experts", "2-3"}, machine("m")}; }
  ASSERT_EQ(located("m").size(), 1u);
  const auto dir = located("m")[0].string();
  for (const auto& command :
       {larql_node({dir, "--experts", "3-4", "--port", "0"}), larql({"run", dir, "abc", "-q"})}) {
    const auto refused = run(command, machine("m"));
    EXPECT_EQ(refused.code, 1);
    EXPECT_NE(refused.err.find("slice"), std::string::npos) << refused.err;
  }
  const auto shown = run(larql({"inspect", "hf://ann/g:Q6_K"}), machine("m"));
  EXPECT_NE(shown.out.find("experts 2-3 of layers 0-5"), std::string::npos) << shown.out;
  const auto file_of = [&](const char* name) {
    return (scratch_ / "m/hub/ann/g@main" / name).string();
  };
  const auto extracted = run(larql({"extract", file_of(".larql-pull/parts/tiny-Q6_K.gguf.partial"),
                                    "-o", (scratch_ / "x.vindex").string()}));
  EXPECT_EQ(extracted.code, 1);
  EXPECT_NE(extracted.err.find("larql pull"), std::string::npos) << extracted.err;
  // Others come beside them; then all of it, which is checked and gets its name.
  { const auto node = node_process{"hf://ann/g:Q6_K", {"--experts", "4-4"}, machine("m")}; }
  EXPECT_NE(run(larql({"inspect", "hf://ann/g:Q6_K"}), machine("m")).out.find("experts 2-4"),
            std::string::npos);
  hub_.forget_calls();
  const auto pulled = run(larql({"pull", "hf://ann/g:Q6_K"}), machine("m"));
  ASSERT_EQ(pulled.code, 0) << pulled.err;
  EXPECT_EQ(pulled.out, file_of("tiny-Q6_K.gguf") + "\n");
  EXPECT_EQ(read_file(file_of("tiny-Q6_K.gguf")), content_);
  EXPECT_LT(hub_.storage().sent_bytes(), content_.size());
  const auto ran = run(larql({"run", "hf://ann/g:Q6_K", "abc", "-q", "-n", "5"}), machine("m"));
  EXPECT_EQ(ran.out, run(larql({"run", vindex().string(), "abc", "-q", "-n", "5"})).out) << ran.err;
  EXPECT_EQ(located("m").size(), 1u); // the same model all the time
}

TEST_F(HubGguf, TwoNodesOfAMachineShareAFile) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{2}});
  auto children = std::vector<std::unique_ptr<child_process>>{};
  for (const auto* range : {"0-3", "4-7"})
    children.push_back(std::make_unique<child_process>(
        larql_node({"hf://ann/g:Q6_K", "--experts", range, "--port", "0", "-t", "1"}),
        machine("shared")));
  for (const auto& c : children)
    EXPECT_TRUE(c->wait_for_out("ready")) << c->err();
}

TEST_F(HubGguf, ANodeFillsItsVolumeFromTheRepositoryThatTheEnvironmentNames) {
  auto settings = machine("none");
  settings["VINDEX_PATH"] = (scratch_ / "volume").string();
  settings["HF_REPO"] = "ann/g:Q6_K";
  settings["EXPERTS"] = "2-5";
  auto child = child_process{larql_node({"--port", "0"}), settings};
  ASSERT_TRUE(child.wait_for_out("ready")) << child.err();
  EXPECT_NE(child.out().find("experts 2-5"), std::string::npos) << child.out();
  EXPECT_TRUE(fs::exists(scratch_ / "volume/.larql-pull/parts/tiny-Q6_K.gguf.partial"));
}

TEST_F(HubGguf, AKilledPullGoesOn) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{5}});
  {
    auto child = child_process{larql({"pull", "hf://ann/g:Q6_K"}), machine("m")};
    ASSERT_TRUE(hub_.storage().wait_for_sent(content_.size() / 2));
    child.signal(SIGKILL);
    (void) child.wait();
  }
  hub_.storage().clear_faults();
  hub_.forget_calls();
  const auto pulled = run(larql({"pull", "hf://ann/g:Q6_K"}), machine("m"));
  ASSERT_EQ(pulled.code, 0) << pulled.err;
  EXPECT_LT(hub_.storage().sent_bytes(), content_.size() * 3 / 4);
  EXPECT_EQ(read_file(scratch_ / "m/hub/ann/g@main/tiny-Q6_K.gguf"), content_);
}

} // namespace
} // namespace larql::test
