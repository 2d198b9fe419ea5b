// Mirrors cli/support/output.hpp: what every command does when its output cannot be written.
//
// Results that are lost are a failure (1), and silent if their reader has gone (141). Messages that
// are lost change nothing.

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"

namespace larql::test {
namespace {

struct tried_command {
  const char* name;
  words line;             ///< "@" stands for an output that does not exist yet
  bool has_result = true; ///< on standard output
  int code = 0;
};

constexpr child_output faults[] = {child_output::closed, child_output::full,
                                   child_output::broken_pipe};

const char* name_of(child_output fault) {
  return fault == child_output::closed ? "closed" : fault == child_output::full ? "full" : "broken";
}

class Streams : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    hub_.commit_directory("ann/tiny", vindex());
    ASSERT_EQ(run(larql({"certs", "init", "--dir", certs()})).code, 0);
    node_ = start_node();
  }

  [[nodiscard]] finished run_with(const tried_command& command, child_outputs outputs) {
    auto line = command.line;
    std::replace(line.begin(), line.end(), std::string{"@"}, fresh().string());
    auto settings = hub_.environment("hf_secret");
    settings["LARQL_CACHE"] = (scratch_ / "cache").string();
    settings["XDG_STATE_HOME"] = (scratch_ / "state").string();
    return run(line, settings, outputs);
  }

  [[nodiscard]] std::string certs() const { return (scratch_ / "certs").string(); }
  [[nodiscard]] fs::path fresh() { return scratch_ / fmt::format("fresh-{}", ++outputs_); }
  [[nodiscard]] fs::path last() const { return scratch_ / fmt::format("fresh-{}", outputs_); }

  [[nodiscard]] std::vector<tried_command> commands() const {
    const auto v = vindex().string(), g = gguf().string(), nodes = node_->owns("0-7");
    return {
        {"larql --help", larql({"--help"})},
        {"larql --help-all", larql({"--help-all"})},
        {"larql --version", larql({"--version"})},
        {"larql --help-man", larql({"--help-man"})},
        {"larql --help-completion", larql({"--help-completion", "bash"})},
        {"larql help run", larql({"help", "run"})},
        {"larql-node --help", larql_node({"--help"})},
        {"larql-node of nothing", larql_node({"/nowhere", "--port", "0"}), false, 1},
        {"larql-node of bad settings", larql_node({v, "--threads", "x"}), false, 2},
        {"no such command", larql({"rum"}), false, 2},
        {"run", larql({"run", v, "abc", "-n", "5"})},
        {"run on nodes", larql({"run", v, "abc", "-n", "5", "--moe-shards", nodes})},
        {"run --json", larql({"run", v, "abc", "-n", "5", "--json"})},
        {"run of nothing", larql({"run", "/nowhere", "abc"}), false, 1},
        {"chat", larql({"chat", v}), false, 0}, // no line, no answer
        {"serve of bad settings", larql({"serve", v, "--port", "x"}), false, 2},
        {"status", larql({"status", "--moe-shards", nodes, "--pings", "1"})},
        {"status --json", larql({"status", "--moe-shards", nodes, "--pings", "1", "--json"})},
        {"drain", larql({"drain", "nobody", "--moe-shards", nodes}), false, 2},
        {"restart", larql({"restart", "nobody", "--moe-shards", nodes}), false, 2},
        {"topology init", larql({"topology", "init"})},
        {"topology init -o", larql({"topology", "init", "-o", "@"})},
        {"topology check", larql({"topology", "check", "/nowhere"}), false, 1},
        {"certs init", larql({"certs", "init", "--dir", "@"})},
        {"certs secret", larql({"certs", "secret", "@"})},
        {"certs list", larql({"certs", "list", "--dir", certs()})},
        {"extract", larql({"extract", g, "-o", "@"})},
        {"inspect", larql({"inspect", v})},
        {"inspect --json", larql({"inspect", v, "--json"})},
        {"slice", larql({"slice", v, "-o", "@", "--preset", "moe-client"})},
        {"slice --dry-run", larql({"slice", v, "-o", "@", "--preset", "moe-client", "--dry-run"})},
        {"verify", larql({"verify", v, "--deep"})},
        {"verify --json", larql({"verify", v, "--json"})},
        {"tokenize", larql({"tokenize", v, "abc"})},
        {"tokenize --decode", larql({"tokenize", v, "--decode", "287"})},
        {"logits", larql({"logits", v, "--ids", "2 5", "-o", "@"}), false, 0},
        {"pull", larql({"pull", "hf://ann/tiny", "-o", "@"})},
        {"cache list", larql({"cache", "list"})},
        {"cache path", larql({"cache", "path"})},
        {"cache remove", larql({"cache", "remove", "/nowhere"}), false, 1},
        {"publish", larql({"publish", v, "--repo", "ann/other", "--dry-run"})},
        {"bench", larql({"bench", v, "--prompt-tokens", "1", "--gen-tokens", "1", "--repeat", "1",
                         "--no-probe"})},
    };
  }

  hub_server hub_;
  node_ptr node_;

private:
  int outputs_ = 0;
};

TEST_F(Streams, EveryCommandSucceedsWhereItsOutputCanBeWritten) {
  for (const auto& command : commands()) {
    const auto done = run_with(command, {});
    EXPECT_EQ(done.code, command.code) << command.name << ": " << done.err;
    EXPECT_EQ(!done.out.empty(), command.has_result) << command.name << ": " << done.out;
  }
}

TEST_F(Streams, AResultThatCannotBeWrittenIsAFailureOfEveryCommand) {
  for (const auto& command : commands())
    for (const auto fault : faults) {
      SCOPED_TRACE(fmt::format("{}, standard output {}", command.name, name_of(fault)));
      const auto done = run_with(command, {fault, child_output::read});
      if (!command.has_result) {
        EXPECT_EQ(done.code, command.code) << done.err;
        continue;
      }
      EXPECT_EQ(done.code, fault == child_output::broken_pipe ? 141 : 1) << done.err;
      EXPECT_EQ(done.err.find("standard output: ") != std::string::npos,
                fault != child_output::broken_pipe)
          << done.err;
    }
}

TEST_F(Streams, MessagesThatCannotBeWrittenChangeNothing) {
  for (const auto& command : commands()) {
    for (const auto fault : faults) {
      SCOPED_TRACE(fmt::format("{}, standard error {}", command.name, name_of(fault)));
      const auto done = run_with(command, {child_output::read, fault});
      EXPECT_EQ(done.code, command.code);
      EXPECT_EQ(!done.out.empty(), command.has_result) << done.out;
    }
    for (const auto fault : faults) {
      SCOPED_TRACE(fmt::format("{}, both {}", command.name, name_of(fault)));
      EXPECT_EQ(run_with(command, {fault, fault}).code, !command.has_result ? command.code
                                                        : fault == child_output::broken_pipe ? 141
                                                                                             : 1);
    }
  }
}

TEST_F(Streams, NoMessageGetsIntoAFileThatIsWritten) {
  const auto whole = read_tree(vindex());
  for (const auto outputs : {child_outputs{child_output::read, child_output::closed},
                             child_outputs{child_output::closed, child_output::closed}}) {
    (void) run_with({"extract", larql({"extract", gguf().string(), "-o", "@"})}, outputs);
    const auto made = read_tree(last());
    EXPECT_EQ(made.size(), whole.size());
    for (const auto& [name, content] : whole)
      if (const auto it = made.find(name); it == made.end())
        ADD_FAILURE() << name << " is missing";
      else
        EXPECT_EQ(difference(it->second, content), "") << name;
  }
}

TEST_F(Streams, ANodeServesWhoeverReadsWhatItSays) {
  for (const auto fault : faults) {
    SCOPED_TRACE(name_of(fault));
    const auto port = free_port();
    auto node = child_process{
        larql_node({vindex().string(), "--port", std::to_string(port), "-t", "2", "--warmup"}),
        {},
        child_input::none,
        {fault, fault}};
    const auto shards = fmt::format("0-7=caf://127.0.0.1:{}", port);
    EXPECT_TRUE(eventually([&] {
      return run(larql({"status", "--moe-shards", shards, "--pings", "1"})).code == 0;
    }));
    EXPECT_EQ(generate({"-n", "3", "--moe-shards", shards}).code, 0);
    node.signal(SIGTERM);
    EXPECT_EQ(node.wait(), (exit_status{0, 0}));
  }
}

TEST_F(Streams, AnAnswerEndsWithItsReader) {
  const auto program = larql_program().string();
  const auto command = fmt::format("{} run {} abc -q -n 1000000 --context 1000100 --ignore-eos "
                                   "--token-ids; echo $? >&2",
                                   program, vindex().string());
  const auto done = run({"/bin/sh", "-c", "{ " + command + "; } | head -n 2"});
  EXPECT_EQ(done.code, 0);
  EXPECT_TRUE(done.err.ends_with("141\n")) << done.err;
}

TEST_F(Streams, EveryMessageBeginsWithTheNameOfTheProgram) {
  for (const auto& command : commands()) {
    if (command.code == 0)
      continue;
    const auto done = run_with(command, {});
    EXPECT_TRUE(done.err.starts_with("larql")) << command.name << ": " << done.err;
  }
}

} // namespace
} // namespace larql::test
