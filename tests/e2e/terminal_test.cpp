// Mirrors cli/support/{progress,line_reader,output,answer_screen}.hpp from outside: what a person
// sees on a terminal of a certain width. The terminal is one of script(1).

#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/wan_link.hpp"

namespace larql::test {
namespace {

class Terminal : public testing::Test {
protected:
  void SetUp() override {
    const auto done =
        run(larql({"extract", (test::source_dir() / "tests/demo_model/larql-demo.gguf").string(),
                   "-o", vindex().string()}));
    ASSERT_EQ(done.code, 0) << done.err;
    if (!fs::exists("/usr/bin/script"))
      GTEST_SKIP() << "script(1) is missing (Debian: bsdutils)";
  }
  [[nodiscard]] fs::path vindex() const { return scratch_ / "demo.vindex"; }

  /// The command on a terminal of its own, whose keyboard is write() and whose screen is out().
  [[nodiscard]] std::unique_ptr<child_process>
  on_terminal(unsigned columns, const words& command,
              child_process::variables settings = {}) const {
    auto line = fmt::format("stty cols {} rows 24 && exec", columns);
    for (const auto& word : command)
      line += fmt::format(" '{}'", word); // none has a quote in it
    settings["TERM"] = "xterm";
    return std::make_unique<child_process>(words{"/usr/bin/script", "-qefc", line, "/dev/null"},
                                           settings, child_input::pipe);
  }

  temporary_directory scratch_;
};

TEST_F(Terminal, AMessageThatComesWhileALineIsTypedStandsAboveIt) {
  const auto node = std::make_unique<node_process>(vindex(), words{"--name", "alpha"});
  const auto chat =
      on_terminal(100, larql({"chat", vindex().string(), "--no-history", "--moe-shards",
                              node->owns("0-15"), "--failover-timeout", "0"}));
  ASSERT_TRUE(chat->wait_for_out("> ")) << chat->out();
  chat->write("The capi");
  ASSERT_TRUE(chat->wait_for_out("The capi")) << chat->out();
  node->child().signal(SIGKILL);
  ASSERT_TRUE(chat->wait_for_out("larql: cluster: node alpha")) << chat->out();
  const auto is_drawn_again = [&] {
    const auto text = chat->out();
    const auto at = text.find("larql: cluster: node alpha");
    return text.find("> The capi", at) != std::string::npos;
  };
  EXPECT_TRUE(eventually(is_drawn_again)) << chat->out();
  const auto text = chat->out();
  const auto at = text.find("larql: cluster: node alpha");
  EXPECT_TRUE(text.substr(0, at).ends_with("\r\x1b[K")) << text; // it begins a line
  chat->write("\x15/quit\n");                                    // ^U: what was typed goes
  EXPECT_TRUE(chat->wait()) << chat->out();
}

TEST_F(Terminal, ANodeThatIsAlwaysSlowIsWaitedForWithoutBlame) {
  const auto node = node_process{vindex(), {"--name", "alpha"}};
  const auto link = link_to(node.port(), {.round_trip = std::chrono::milliseconds{300}});
  const auto run = on_terminal(
      100, larql({"run", vindex().string(), "The capital of France is", "--raw", "-n", "4",
                  "--moe-shards", fmt::format("0-15=caf://127.0.0.1:{}", link.port())}));
  EXPECT_TRUE(run->wait()) << run->out();
  EXPECT_NE(run->out().find("waiting for the next token"), std::string::npos) << run->out();
  EXPECT_EQ(run->out().find("does not answer"), std::string::npos) << run->out();
  EXPECT_NE(run->out().find("4 tokens"), std::string::npos) << run->out();
}

TEST_F(Terminal, ThoughtsAreDimmedUnlessColourIsNotWanted) {
  const auto shown = [&](const words& variables) {
    auto command = words{"/usr/bin/env"};
    command.insert(command.end(), variables.begin(), variables.end());
    for (auto& word : larql({"run", vindex().string(), "The capital of France is", "--thinking"}))
      command.push_back(std::move(word));
    const auto run = on_terminal(200, command);
    EXPECT_TRUE(run->wait()) << run->out();
    const auto text = run->out();
    EXPECT_NE(text.find("The user asks for the capital of France."), std::string::npos) << text;
    EXPECT_NE(text.find("\nThe capital of France is Paris."), std::string::npos) << text;
    return text;
  };
  const auto dimmed = shown({});
  const auto begin = dimmed.find("\x1b[2m");
  const auto end = dimmed.find("\x1b[0m");
  ASSERT_NE(begin, std::string::npos) << dimmed;
  EXPECT_LT(begin, dimmed.find("The user asks")) << dimmed;
  EXPECT_LT(dimmed.find("The user asks"), end) << dimmed;
  EXPECT_LT(end, dimmed.find("\nThe capital of France is Paris.")) << dimmed;
  EXPECT_EQ(shown({"NO_COLOR=1"}).find("\x1b[2m"), std::string::npos);
  EXPECT_EQ(shown({"TERM=dumb"}).find('\x1b'), std::string::npos);
}

TEST_F(Terminal, HowFarAPromptIsReadIsSaidBelowAndGoneWithTheAnswer) {
  auto prompt = std::string{};
  for (auto i = 0; i < 100; ++i)
    prompt += "The capital of France is Paris. ";
  write_file(scratch_ / "prompt.txt", prompt);
  const auto run = on_terminal(100, larql({"run", vindex().string(), "--raw", "-n", "4", "--chunk",
                                           "8", "-f", (scratch_ / "prompt.txt").string()}));
  EXPECT_TRUE(run->wait()) << run->out();
  const auto text = run->out();
  const auto last = text.rfind("reading the prompt: ");
  ASSERT_NE(last, std::string::npos) << text;
  EXPECT_NE(text.find(" tokens\r\x1b[K", last), std::string::npos) << text;
}

TEST_F(Terminal, ProgressFitsItsWidthAndStaysInItsLine) {
  auto hub = hub_server{};
  hub.commit_directory("ann/demo", vindex());
  hub.storage().add_fault(
      {.target = "/blob/", .times = 100'000, .per_block = std::chrono::milliseconds{20}});
  const auto pull = on_terminal(
      60, larql({"pull", "hf://ann/demo", "-o", (scratch_ / "copy").string()}), hub.environment());
  ASSERT_TRUE(pull->wait()) << pull->out();
  const auto text = pull->out();
  const auto begin = text.find("\r\x1b[K");
  ASSERT_NE(begin, std::string::npos) << text;
  const auto end = text.find('\n', text.rfind("\r\x1b[K"));
  auto drawn = 0;
  for (auto at = begin; at != std::string::npos && at < end; ++drawn) {
    const auto next = text.find("\r\x1b[K", at + 1);
    const auto line = text.substr(at + 4, std::min(next, end) - at - 4);
    EXPECT_LE(line.size(), 60u) << line; // a carriage return may stand at its end
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    at = next;
  }
  EXPECT_GT(drawn, 1);
}

} // namespace
} // namespace larql::test
