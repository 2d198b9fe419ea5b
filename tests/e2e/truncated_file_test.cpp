// A layer file that is cut while a node serves it: the node says which file and ends with an exit
// code, so that its init system starts it again; a laptop goes on with a replica or reports. Never
// are there silent zeros.

#include "tests/e2e/chaos_cluster.hpp"

#include <future>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

class TruncatedFile : public model_test {
protected:
  /// A node on its own copy of the model, so that nobody else's pages are lost.
  node_ptr start_on_copy(const std::string& name, const words& more = {}) {
    const auto copy = scratch_ / (name + ".vindex");
    fs::copy(vindex(), copy, fs::copy_options::recursive);
    auto command = words{"--name", name};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<node_process>(copy, command);
  }
  /// Cuts every layer file of the copy after its first page.
  void cut(const std::string& name) const {
    for (const auto& entry : fs::directory_iterator{scratch_ / (name + ".vindex") / "layers"})
      fs::resize_file(entry.path(), 4096);
  }
  static void expect_clear_end(node_process& node, const std::string& name) {
    const auto ended = node.child().wait();
    ASSERT_TRUE(ended) << "the node goes on";
    EXPECT_EQ(*ended, (exit_status{3, 0})) << node.child().err(); // docs/operations.md
    const auto error = node.child().err();
    const auto said = error.find("cannot be read");
    EXPECT_NE(said, std::string::npos) << error;
    EXPECT_EQ(error.find("cannot be read", said + 1), std::string::npos) << "twice: " << error;
    EXPECT_NE(error.find(name + ".vindex/layers/layer_"), std::string::npos) << error;
  }

  [[nodiscard]] fs::path
  topology(const std::vector<std::pair<std::string, const node_process*>>& nodes) const {
    auto text = fmt::format("model = \"{}\"\n", vindex().string());
    for (const auto& [name, node] : nodes)
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\n", name, node->address());
    write_file(scratch_ / "c.toml", text);
    return scratch_ / "c.toml";
  }
};

TEST_F(TruncatedFile, WithAReplicaAGenerationGoesOnWithTheSameBits) {
  const auto alpha = start_on_copy("alpha"), beta = start_on_copy("beta");
  auto laptop = in_process_laptop{vindex()};
  ASSERT_TRUE(succeeds(laptop.connect(topology({{"alpha", alpha.get()}, {"beta", beta.get()}}))));
  const auto prompt = random_ids(12, 500);
  const auto expected = laptop.generate_locally(prompt, 100);
  auto work = std::async(std::launch::async, [&] { return laptop.generate(prompt, 100); });
  cut("alpha");
  const auto got = work.get();
  EXPECT_EQ(got.error, "");
  EXPECT_TRUE(got.same_bits(expected));
  // The other may have been the faster one all the time. Whoever asks this one gets nothing.
  const auto done = generate({"--moe-shards", alpha->owns("0-7"), "--failover-timeout", "0"});
  EXPECT_EQ(done.code, 1) << done.out;
  expect_clear_end(*alpha, "alpha");
}

TEST_F(TruncatedFile, WithoutAReplicaTheRunEndsWithAnErrorThatNamesTheNode) {
  const auto alpha = start_on_copy("alpha");
  auto going = child_process{
      larql({"run", vindex().string(), "abc", "-n", "100000", "--context", "100100", "--topology",
             topology({{"alpha", alpha.get()}}).string(), "--failover-timeout", "300"})};
  ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
  cut("alpha");
  expect_clear_end(*alpha, "alpha");
  EXPECT_EQ(going.wait(), (exit_status{1, 0})) << going.err();
  EXPECT_NE(going.err().find("alpha"), std::string::npos) << going.err();
  EXPECT_NE(going.err().find("experts 0-7"), std::string::npos) << going.err();
}

// What an init system does with exit code 3: the file that came back is served again.
TEST_F(TruncatedFile, ARestartedNodeServesTheFileThatWasPutBackAndTheLaptopGoesOn) {
  auto alpha = start_on_copy("alpha", {"--port", std::to_string(free_port())});
  const auto address = alpha->address();
  auto going =
      child_process{larql({"run", vindex().string(), "abc", "-n", "300", "--context", "400",
                           "--topology", topology({{"alpha", alpha.get()}}).string()})};
  ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
  cut("alpha");
  expect_clear_end(*alpha, "alpha");
  fs::remove_all(scratch_ / "alpha.vindex");
  alpha = start_on_copy("alpha", {"--port", address.substr(address.rfind(':') + 1)});
  EXPECT_EQ(going.wait(), (exit_status{0, 0})) << going.err();
  EXPECT_EQ(difference(going.out(), generate({"-n", "300", "--context", "400"}).out), "");
}

TEST_F(TruncatedFile, ANodeDoesNotStartOnAFileThatWasCut) {
  (void) start_on_copy("alpha");
  cut("alpha");
  const auto done = run(larql_node({(scratch_ / "alpha.vindex").string(), "--port", "0"}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("layer_00.weights"), std::string::npos) << done.err;
}

} // namespace
} // namespace larql::test
