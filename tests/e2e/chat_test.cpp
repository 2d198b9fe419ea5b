// Mirrors cli/laptop/chat.cpp from outside: turns of a conversation, its commands, and what a lost
// node does to it.

#include "tests/e2e/programs.hpp"
#include "tests/support/paths.hpp"

namespace larql::test {
namespace {

class Chat : public testing::Test {
protected:
  void SetUp() override {
    const auto done =
        run(larql({"extract", (test::source_dir() / "tests/demo_model/larql-demo.gguf").string(),
                   "-o", vindex().string()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }

  [[nodiscard]] fs::path vindex() const { return scratch_ / "demo.vindex"; }

  [[nodiscard]] node_ptr start(const std::string& name, const std::string& experts,
                               const std::string& port = "0") const {
    return std::make_unique<node_process>(
        vindex(), words{"--name", name, "--experts", experts, "--port", port});
  }

  [[nodiscard]] std::unique_ptr<child_process> talk(const words& options = {}) const {
    auto command = larql({"chat", vindex().string(), "-n", "12"});
    command.insert(command.end(), options.begin(), options.end());
    return std::make_unique<child_process>(command, child_process::variables{}, child_input::pipe);
  }

  static int count(const std::string& text, const std::string& what) {
    auto n = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++n;
    return n;
  }

  temporary_directory scratch_;
};

TEST_F(Chat, AnswersTurnsAndRemembersThem) {
  const auto chat = talk();
  chat->write("The capital of France is\nThe capital of Italy is\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{0, 0})) << chat->err();
  EXPECT_EQ(count(chat->err(), "tokens/s)"), 2) << chat->err();
  EXPECT_NE(chat->out().find("Paris"), std::string::npos) << chat->out();
  // The second answer is the one to the whole conversation, whatever was kept in the cache.
  const auto fresh = talk({"--chunk", "1"});
  fresh->write("The capital of France is\nThe capital of Italy is\n/quit\n");
  EXPECT_EQ(fresh->wait(), (exit_status{0, 0}));
  EXPECT_EQ(difference(fresh->out(), chat->out()), "");
}

TEST_F(Chat, AskingAgainAndForgettingGiveTheSameAnswer) {
  const auto chat = talk({"-q"});
  chat->write("The capital of France is\n/retry\n/reset\nThe capital of France is\n");
  ASSERT_TRUE(eventually([&] { return count(chat->out(), "\n") == 3; })) << chat->out();
  const auto text = chat->out();
  const auto line = text.substr(0, text.find('\n') + 1);
  EXPECT_EQ(text, line + line + line);
  EXPECT_EQ(chat->err(), "");
}

TEST_F(Chat, LineEndsOfOtherSystemsAndBlankLinesSayNothing) {
  const auto chat = talk();
  chat->write("   \n\r\n/system Be brief.\r\n/quit\r\n");
  EXPECT_EQ(chat->wait(), (exit_status{0, 0})) << chat->err();
  EXPECT_EQ(chat->out(), "");
  EXPECT_NE(chat->err().find("A new conversation begins."), std::string::npos) << chat->err();
  EXPECT_EQ(count(chat->err(), "tokens"), 0) << chat->err();
}

TEST_F(Chat, WhatDoesNotFitTheContextIsNotAdvisedToBeAskedAgain) {
  const auto chat = talk({"--context", "8"});
  chat->write("The capital of France is a large city, and so is that of Italy.\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{1, 0}));
  EXPECT_NE(chat->err().find("larger --context"), std::string::npos) << chat->err();
  EXPECT_EQ(chat->err().find("/retry"), std::string::npos) << chat->err();
}

TEST_F(Chat, CommandsThatAreUnknownShowTheHelp) {
  const auto chat = talk();
  chat->write("/what\n/nodes\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{0, 0}));
  EXPECT_NE(chat->out().find("/retry"), std::string::npos);
  EXPECT_NE(chat->out().find("all experts are on this machine"), std::string::npos);
}

TEST_F(Chat, SurvivesTheLossOfItsExperts) {
  const auto alpha = start("alpha", "0-7");
  auto beta = start("beta", "8-15");
  const auto chat = talk(
      {"--failover-timeout", "0", "--moe-shards", alpha->owns("0-7") + "," + beta->owns("8-15")});
  chat->write("The capital of France is\n");
  ASSERT_TRUE(chat->wait_for_err("tokens/s)")) << chat->err();
  beta->child().signal(SIGKILL);
  ASSERT_TRUE(beta->child().wait());
  chat->write("The capital of Italy is\n");
  ASSERT_TRUE(chat->wait_for_err("/retry asks again")) << chat->err();
  EXPECT_NE(chat->err().find("experts 8-15"), std::string::npos) << chat->err();

  beta = start("beta", "8-15", std::to_string(beta->port()));
  auto asked = 0;
  EXPECT_TRUE(eventually([&] {
    if (count(chat->err(), "asks again") == asked + 1) { // the last attempt has failed as well
      chat->write("/retry\n");
      ++asked;
    }
    return count(chat->err(), "tokens/s)") == 2;
  })) << chat->err();
  chat->write("/nodes\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{1, 0})) << chat->err(); // a script hears of the failure
  EXPECT_NE(chat->out().find("Rome"), std::string::npos) << chat->out();
  EXPECT_NE(chat->out().find("alpha"), std::string::npos) << chat->out();
}

} // namespace
} // namespace larql::test
