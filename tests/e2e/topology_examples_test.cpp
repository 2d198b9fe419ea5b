// Mirrors deploy/topologies/: every example is run as its comments say, by real nodes and a laptop,
// on a small model of as many experts as the examples are written for.
//
// What is changed in the copy that is run: each "host:port" becomes a free port of 127.0.0.1,
// because the hosts are not here and the ports may be taken. `listen` follows the address before
// it. Nothing else: names, ranges, paths, certificates, secrets, discovery, deadlines and hedging
// are the example's own. The model lies where the examples expect it, in gemma4.vindex beside the
// file.

#include "tests/e2e/programs.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>
#include <sstream>

namespace larql::test {
namespace {

tiny_gguf model_of_the_examples() {
  auto m = tiny_gguf{};
  m.layers = 2;
  m.experts = 128;
  m.top_k = 8;
  m.expert_width = 32;
  return m;
}

class TopologyExamples : public model_test {
protected:
  TopologyExamples() : model_test(model_of_the_examples()) {}

  void SetUp() override {
    model_test::SetUp();
    fs::rename(vindex(), scratch_ / "gemma4.vindex");
    fs::create_directory_symlink("gemma4.vindex", vindex());
    expected = logits();
  }

  /// "alpha.lan:9470", and no URL.
  static bool is_host_and_port(const std::string& value) {
    const auto colon = value.find(':');
    const auto is_digit = [](char c) { return '0' <= c && c <= '9'; };
    return colon != 0 && colon != std::string::npos && colon + 1 < value.size() &&
           std::all_of(value.begin() + static_cast<std::ptrdiff_t>(colon) + 1, value.end(),
                       is_digit);
  }

  /// The copy of an example; remembers the addresses in the order in which they stand there.
  void take(const std::string& name) {
    const auto text = read_file(test::source_dir() / "deploy/topologies" / name);
    auto lines = std::istringstream{std::string{text}};
    auto out = std::string{};
    for (auto line = std::string{}; std::getline(lines, line); out += line + '\n') {
      const auto is_code = line.find('#') != 0;
      const auto is_listen = line.starts_with("listen");
      for (auto begin = line.find('"'); is_code && begin != std::string::npos;) {
        const auto end = line.find('"', begin + 1);
        ASSERT_NE(end, std::string::npos) << line;
        auto value = line.substr(begin + 1, end - begin - 1);
        if (is_host_and_port(value)) {
          if (!is_listen)
            addresses.push_back(fmt::format("127.0.0.1:{}", free_port()));
          value = addresses.back();
        }
        line.replace(begin + 1, end - begin - 1, value);
        begin = line.find('"', begin + value.size() + 2);
      }
    }
    write_file(file(), out);
  }
  [[nodiscard]] fs::path file() const { return scratch_ / "c.toml"; }

  void issue_certificates() const {
    const auto dir = (scratch_ / "certs").string();
    for (const auto& command :
         {words{"init"}, words{"issue", "alpha", "--host", "alpha.lan"},
          words{"issue", "beta", "--host", "beta.lan"}, words{"issue", "me", "--role", "laptop"}}) {
      auto all = words{"certs"};
      all.insert(all.end(), command.begin(), command.end());
      all.insert(all.end(), {"--dir", dir});
      const auto done = run(larql(all));
      ASSERT_EQ(done.code, 0) << done.err;
    }
  }
  [[nodiscard]] std::string secret_file() const { return (scratch_ / "cluster.secret").string(); }
  void make_secret() const {
    const auto done = run(larql({"certs", "secret", secret_file()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }

  void start(const words& arguments) {
    auto command = larql_node(arguments);
    command.insert(command.end(), {"-t", "1"});
    nodes.push_back(std::make_unique<child_process>(command));
    ASSERT_TRUE(nodes.back()->wait_for_out(" ready on ")) << nodes.back()->err();
  }
  void start_by_name(const words& names) {
    for (const auto& name : names)
      start({"--topology", file().string(), "--node", name});
  }

  void expect_the_bits_of_a_local_run() {
    EXPECT_EQ(difference(logits({"--topology", file().string()}), expected), "");
  }
  void expect_complete_status() const {
    const auto done = run(larql({"status", "--topology", file().string()}));
    EXPECT_EQ(done.code, 0) << done.out << done.err;
  }

  words addresses;
  std::vector<std::unique_ptr<child_process>> nodes;
  std::string expected;
};

TEST_F(TopologyExamples, TwoNodesGiveTheBitsOfALocalRun) {
  take("two-nodes.toml");
  start_by_name({"alpha", "beta"});
  expect_the_bits_of_a_local_run();
  expect_complete_status();
}

TEST_F(TopologyExamples, ReplicatedGivesThemWithAllNodesAndWithoutAnyOne) {
  take("replicated.toml");
  start_by_name({"a1", "a2", "b1", "b2"});
  expect_the_bits_of_a_local_run();
  for (const auto* lost : {"a1", "b2"}) {
    auto& node = nodes[lost == std::string{"a1"} ? 0 : 3];
    node->signal(SIGKILL);
    ASSERT_TRUE(node->wait());
    expect_the_bits_of_a_local_run();
  }
}

TEST_F(TopologyExamples, TlsGivesThemWithTheCertificatesThatItsCommentsMake) {
  issue_certificates();
  take("tls.toml");
  start_by_name({"alpha", "beta"});
  expect_the_bits_of_a_local_run();
  expect_complete_status();
}

TEST_F(TopologyExamples, FlyGivesThemWithASecretOnBothSides) {
  make_secret();
  take("fly.toml");
  start_by_name({"a", "b"});
  expect_the_bits_of_a_local_run();
  expect_complete_status();
}

TEST_F(TopologyExamples, FlySessionHasTheSessionAtANodeThatAsksTheOther) {
  make_secret();
  take("fly-session.toml");
  start_by_name({"b", "a"});
  expect_the_bits_of_a_local_run();
  const auto vindex = (scratch_ / "gemma4.vindex").string();
  const auto placed = run(larql({"run", "--topology", file().string(), "abc", "-n", "20"}));
  EXPECT_EQ(placed.code, 0) << placed.err;
  EXPECT_NE(placed.err.find("prompt and text are processed at a ("), std::string::npos)
      << placed.err;
  EXPECT_EQ(difference(placed.out, run(larql({"run", vindex, "abc", "-n", "20"})).out), "");
}

TEST_F(TopologyExamples, FlyPrivateFindsItsNodesByName) {
  make_secret();
  take("fly-private.toml");
  ASSERT_EQ(addresses.size(), 2u);
  // The file lists no nodes: on fly they have these settings from their environment.
  for (const auto& [at, experts] :
       {std::pair{addresses[0], "0-63"}, std::pair{addresses[1], "64-127"}})
    start({(scratch_ / "gemma4.vindex").string(), "--experts", experts, "--port",
           at.substr(at.rfind(':') + 1), "--secret-file", secret_file()});
  expect_the_bits_of_a_local_run();
  expect_complete_status();
}

TEST_F(TopologyExamples, EveryExampleHasItsTest) {
  auto names = words{};
  for (const auto& entry : fs::directory_iterator{test::source_dir() / "deploy/topologies"})
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (words{"fly-private.toml", "fly-session.toml", "fly.toml", "replicated.toml",
                          "tls.toml", "two-nodes.toml"}));
}

} // namespace
} // namespace larql::test
