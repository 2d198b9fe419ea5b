// Mirrors cli/laptop/chat.cpp from outside: turns of a conversation, its commands, and what a lost
// node does to it. What a terminal adds is in chat_terminal_test.cpp.

#include "tests/e2e/serve_process.hpp"

namespace larql::test {
namespace {

class Chat : public demo_model_test {
protected:
  [[nodiscard]] node_ptr start(const std::string& name, const std::string& experts,
                               const std::string& port = "0") const {
    return std::make_unique<node_process>(
        fs::path{vindex()}, words{"--name", name, "--experts", experts, "--port", port});
  }

  [[nodiscard]] std::unique_ptr<child_process> talk(const words& options = {}) const {
    auto command = larql({"chat", vindex()});
    if (std::find(options.begin(), options.end(), "-n") == options.end())
      command.insert(command.end(), {"-n", "12"});
    command.insert(command.end(), options.begin(), options.end());
    return std::make_unique<child_process>(command, child_process::variables{}, child_input::pipe);
  }

  static int count(const std::string& text, const std::string& what) {
    auto n = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++n;
    return n;
  }

  /// What a whole conversation prints.
  [[nodiscard]] finished converse(const std::string& lines, const words& options = {}) const {
    const auto chat = talk(options);
    chat->write(lines);
    chat->end_input();
    const auto ended = chat->wait();
    return {ended ? ended->code : -1, chat->out(), chat->err()};
  }
  /// The number that follows these words the last time that they come.
  static int number_behind(const std::string& text, const std::string& words) {
    const auto at = text.rfind(words);
    return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + words.size());
  }
  static std::string joined(std::string lines) {
    lines.erase(std::remove(lines.begin(), lines.end(), '\n'), lines.end());
    return lines;
  }

  temporary_directory own_;
};

TEST_F(Chat, AnswersTurnsAndRemembersThem) {
  const auto chat = talk();
  chat->write("The capital of France is\nThe capital of Italy is\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{0, 0})) << chat->err();
  EXPECT_EQ(count(chat->err(), " tokens/s"), 2) << chat->err();
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

TEST_F(Chat, AnUnknownCommandIsAnErrorThatSaysWhatWasMeant) {
  const auto done = converse("/nods\n/nodes\n/help\n");
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("there is no command /nods, did you mean /nodes?"), std::string::npos)
      << done.err;
  EXPECT_NE(done.out.find("all experts are on this machine"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("/retry"), std::string::npos) << done.out;
}

TEST_F(Chat, ATextThatBeginsWithASlashIsSent) {
  const auto file = own_ / "talk.json";
  const auto done = converse("/etc/hosts: what is this?\n\"\"\"/usr/bin\n\tand more\"\"\"\n/save " +
                             file.string() + "\n");
  EXPECT_EQ(done.code, 0) << done.err;
  const auto turns = json::parse(read_file(file))["turns"];
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[0]["content"], "/etc/hosts: what is this?");
  EXPECT_EQ(turns[2]["content"], "/usr/bin\n\tand more");
}

TEST_F(Chat, ThoughtsStandApartFromTheAnswerAndAreHiddenOrLeftOut) {
  const auto question = std::string{"The capital of France is\n"};
  const auto counted = [](const finished& done) { // tokens of the last answer
    return number_behind("\n" + done.err, "\n(");
  };
  const words limit = {"-n", "60"};
  const auto on = converse("/think on\n" + question, limit);
  const auto hidden = converse("/think hidden\n" + question, limit);
  const auto off = converse("/think on\n/think off\n" + question, limit);
  EXPECT_EQ(on.out, off.out) << "no thought is in the answer";
  EXPECT_EQ(hidden.out, off.out);
  const auto thought = std::string{"The user asks for the capital of France."};
  EXPECT_NE(on.err.find(thought), std::string::npos) << on.err;
  EXPECT_EQ(hidden.err.find(thought), std::string::npos) << hidden.err;
  EXPECT_EQ(counted(on), counted(hidden)) << "hidden thoughts are thought all the same";
  EXPECT_GT(counted(on), counted(off));
  const auto file = own_ / "talk.json";
  (void) converse("/think hidden\n" + question + "/save " + file.string() + "\n", limit);
  const auto turn = json::parse(read_file(file))["turns"][1];
  EXPECT_NE(turn["thoughts"].get<std::string>().find(thought), std::string::npos) << turn;
}

// ---- answers that were cut ----------------------------------------------------------------------

TEST_F(Chat, AnAnswerThatWasCutSaysSoAndGoesOnAsIfItHadNotBeen) {
  const auto whole = converse("The capital of France is\n", {"-q", "-n", "6"});
  const auto cut = converse("The capital of France is\n/continue\n", {"-n", "3"});
  EXPECT_EQ(cut.code, 0) << cut.err;
  EXPECT_EQ(joined(cut.out), joined(whole.out));
  EXPECT_NE(cut.err.find("cut after 3 tokens: /continue goes on"), std::string::npos) << cut.err;
  EXPECT_EQ(converse("/continue\n").code, 1) << "there is nothing that could go on";
}

TEST_F(Chat, AFullContextLeavesOutTheOldestTurnsAndSaysSo) {
  auto lines = std::string{};
  for (auto i = 0; i < 8; ++i)
    lines += "The capital of France is a city of many people.\n";
  const auto done = converse(lines, {"--context", "128", "-n", "4"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("The context of 128 tokens is full: the oldest"), std::string::npos)
      << done.err;
  EXPECT_EQ(count(done.err, " tokens/s"), 8) << done.err;
}

TEST_F(Chat, AQuestionThatDoesNotFitByItselfCostsNoTurn) {
  const auto server = serve_process{vindex(), {"--context", "128"}};
  auto lines = std::string{"The capital of France is\n"};
  for (auto i = 0; i < 20; ++i)
    lines += "The capital of Italy is a city of many people. ";
  lines += "\n";
  for (const auto& command : {larql({"chat", vindex(), "--context", "128", "-n", "4"}),
                              larql({"chat", "--url", server.url(), "-n", "4"})}) {
    auto chat = child_process{command, {}, child_input::pipe};
    chat.write(lines);
    chat.end_input();
    EXPECT_EQ(chat.wait(), (exit_status{1, 0})) << chat.err();
    EXPECT_EQ(chat.err().find("left out"), std::string::npos) << chat.err();
    EXPECT_EQ(chat.err().find("/retry"), std::string::npos) << chat.err();
  }
}

// ---- conversations that are kept ----------------------------------------------------------------

TEST_F(Chat, ASavedConversationGoesOnInAnotherProcessAndReadsOnlyWhatIsNew) {
  const auto file = (own_ / "talk.json").string();
  const auto first = std::string{"The capital of France is a city of many people, and\n"};
  const auto second = std::string{"The capital of Italy is\n/stats\n"};
  const auto here = converse(first + second);
  const auto before = converse(first + "/stats\n/save " + file + "\n");
  ASSERT_EQ(before.code, 0) << before.err;
  EXPECT_NE(before.err.find("Saved, with the keys and values of"), std::string::npos) << before.err;
  const auto after = converse("/load " + file + "\n" + second);
  ASSERT_EQ(after.code, 0) << after.err;
  EXPECT_EQ(before.out + after.out, here.out);
  const auto read = [](const std::string& text) {
    const auto at = text.rfind("(prompt: ");
    return at == std::string::npos ? std::string{"?"} : text.substr(at, text.find(',', at) - at);
  };
  EXPECT_EQ(read(after.err), read(here.err)) << after.err;
  // What was kept is all but the last answer, and what is read is all that was not kept.
  const auto kept = number_behind(before.err, "with the keys and values of ");
  EXPECT_LE(number_behind(before.err, "context: ") - kept,
            number_behind("\n" + before.err, "\n(") + 8);
  EXPECT_EQ(number_behind(after.err, "context: "),
            kept + number_behind(after.err, "(prompt: ") + number_behind("\n" + after.err, "\n("));

  fs::remove(file + ".kv");
  const auto anew = converse("/load " + file + "\n" + second);
  EXPECT_EQ(before.out + anew.out, here.out) << "the text alone is enough";
  EXPECT_NE(read(anew.err), read(here.err));
}

TEST_F(Chat, FilesOfOthersAreNotReplacedAndWhatIsNoConversationIsNotLoaded) {
  const auto file = own_ / "notes.txt";
  write_file(file, "mine");
  const auto done = converse("Hi\n/save " + file.string() + "\n/load " + file.string() + "\n");
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(count(done.err, file.string()), 2) << done.err;
  EXPECT_EQ(read_file(file), "mine");
}

TEST_F(Chat, UndoSettingsAndFilesChangeTheNextAnswer) {
  const auto file = own_ / "letter.txt";
  write_file(file, "A letter\n\tof two lines\r\n");
  const auto talk = own_ / "talk.json";
  const auto done =
      converse("One\n/undo\n/set max-tokens 2\n/set temprature 1\n/read " + file.string() +
               "\nThe capital of France is\n/save " + talk.string() + "\n");
  EXPECT_NE(done.err.find("did you mean temperature?"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("cut after 2 tokens"), std::string::npos) << done.err;
  const auto turns = json::parse(read_file(talk))["turns"];
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0]["content"], "A letter\n\tof two lines\n\nThe capital of France is");
}

TEST_F(Chat, AnEditorWritesTheMessage) {
  const auto file = own_ / "talk.json";
  auto command = larql({"chat", vindex(), "-n", "2"});
  auto chat = child_process{
      command, {{"VISUAL", "printf 'The capital\\n\\tof France\\n' >"}}, child_input::pipe};
  chat.write("/edit\n/save " + file.string() + "\n/quit\n");
  EXPECT_EQ(chat.wait(), (exit_status{0, 0})) << chat.err();
  EXPECT_EQ(json::parse(read_file(file))["turns"][0]["content"], "The capital\n\tof France");
}

// ---- with a server ------------------------------------------------------------------------------

TEST_F(Chat, RunChatAndAServersChatSayTheSame) {
  const auto question = std::string{"The capital of France is"};
  const auto ran = run(larql({"run", vindex(), question, "-q", "-n", "12"}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(converse(question + "\n", {"-q"}).out, ran.out);

  const auto server = serve_process{vindex(), {}};
  const auto lines = question + "\nThe capital of Italy is\n/nodes\n";
  auto chat =
      child_process{larql({"chat", "--url", server.url(), "-n", "12"}), {}, child_input::pipe};
  chat.write(lines);
  chat.end_input();
  EXPECT_EQ(chat.wait(), (exit_status{0, 0})) << chat.err();
  EXPECT_TRUE(chat.out().starts_with(ran.out)) << chat.out();
  EXPECT_NE(chat.out().find("all experts are on the machine of"), std::string::npos) << chat.out();
  EXPECT_EQ(count(chat.err(), " tokens/s"), 2) << chat.err();
  const auto both = converse(question + "\nThe capital of Italy is\n", {"-q"}).out;
  EXPECT_TRUE(chat.out().starts_with(both)) << chat.out();
}

TEST_F(Chat, AServerThatWantsAKeyGetsItAndSaysSoWithoutOne) {
  const auto keys = own_ / "keys.txt";
  write_file(keys, "# mine\n0123456789abcdef0123\n");
  const auto server = serve_process{vindex(), {"--api-key-file", keys.string()}};
  const auto ask = [&](const words& options) {
    auto command = larql({"chat", "--url", server.url() + "/v1/", "-n", "4"});
    command.insert(command.end(), options.begin(), options.end());
    auto chat = child_process{command, {}, child_input::pipe};
    chat.write("The capital of France is\n");
    chat.end_input();
    const auto ended = chat.wait();
    return finished{ended ? ended->code : -1, chat.out(), chat.err()};
  };
  const auto without = ask({});
  EXPECT_EQ(without.code, 2) << without.err;
  EXPECT_NE(without.err.find("--api-key-file"), std::string::npos) << without.err;
  const auto with = ask({"--api-key-file", keys.string()});
  EXPECT_EQ(with.code, 0) << with.err;
  EXPECT_NE(with.err.find("/continue"), std::string::npos) << with.err;
}

TEST_F(Chat, AnAnswerOfAServerThatWasCutGoesOn) {
  const auto server = serve_process{vindex(), {}};
  auto chat =
      child_process{larql({"chat", "--url", server.url(), "-n", "3"}), {}, child_input::pipe};
  chat.write("The capital of France is\n/continue\n/undo\n/retry\n");
  chat.end_input();
  EXPECT_EQ(chat.wait(), (exit_status{1, 0})) << "there is nothing to ask again: " << chat.err();
  EXPECT_EQ(joined(chat.out()),
            joined(converse("The capital of France is\n", {"-q", "-n", "6"}).out));
  EXPECT_EQ(count(chat.err(), "cut after 3 tokens: /continue goes on"), 2) << chat.err();
}

TEST_F(Chat, AServersFullContextLeavesOutTheOldestTurns) {
  const auto server = serve_process{vindex(), {"--context", "128"}};
  auto chat =
      child_process{larql({"chat", "--url", server.url(), "-n", "4"}), {}, child_input::pipe};
  for (auto i = 0; i < 8; ++i)
    chat.write("The capital of France is a city of many people.\n");
  chat.end_input();
  EXPECT_EQ(chat.wait(), (exit_status{0, 0})) << chat.err();
  EXPECT_NE(chat.err().find("The context of 128 tokens is full"), std::string::npos) << chat.err();
}

TEST_F(Chat, AServerThatIsNotThereIsAnErrorWithItsAddress) {
  const auto done = run(larql({"chat", "--url", "http://127.0.0.1:9"}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("127.0.0.1:9"), std::string::npos) << done.err;
  EXPECT_EQ(run(larql({"chat", vindex(), "--url", "http://127.0.0.1:9"})).code, 2);
}

// ---- nodes --------------------------------------------------------------------------------------

TEST_F(Chat, SurvivesTheLossOfItsExperts) {
  const auto alpha = start("alpha", "0-7");
  auto beta = start("beta", "8-15");
  const auto chat = talk(
      {"--failover-timeout", "0", "--moe-shards", alpha->owns("0-7") + "," + beta->owns("8-15")});
  chat->write("The capital of France is\n");
  ASSERT_TRUE(chat->wait_for_err("tokens/s,")) << chat->err();
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
    return count(chat->err(), "tokens/s,") == 2;
  })) << chat->err();
  chat->write("/nodes\n/quit\n");
  EXPECT_EQ(chat->wait(), (exit_status{1, 0})) << chat->err(); // a script hears of the failure
  EXPECT_NE(chat->out().find("Rome"), std::string::npos) << chat->out();
  EXPECT_NE(chat->out().find("alpha"), std::string::npos) << chat->out();
}

} // namespace
} // namespace larql::test
