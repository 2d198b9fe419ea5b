// Mirrors cli/support/{typed_ahead,terminal_modes}.hpp from outside: keys that come while an answer
// is written, and a terminal that is as it was before, however chat ends or is left.

#include "tests/e2e/chat_on_terminal.hpp"

namespace larql::test {
namespace {

class ChatKeys : public chat_on_terminal {
protected:
  void SetUp() override {
    chat_on_terminal::SetUp();
    if (!IsSkipped())
      make_answers_endless();
  }

  /// A shell that leaves the modes of its terminal alone, whatever its jobs do.
  static void begin_plain_shell(const tmux_terminal& t) {
    t.enter("exec env 'PS1=plain: ' dash -i");
    ASSERT_TRUE(t.wait_for("\nplain: ")) << t.screen();
  }
  /// The modes of the terminal, as the shell's commands have them.
  [[nodiscard]] std::string modes(const tmux_terminal& t) {
    const auto file = scratch_ / fmt::format("modes-{}", ++asked_);
    t.enter(fmt::format("stty -g > {0}.new; mv {0}.new {0}", file.string()));
    EXPECT_TRUE(eventually([&] { return fs::exists(file); })) << t.screen();
    return fs::exists(file) ? read_file(file) : std::string{};
  }
  void begin_answer(const tmux_terminal& t) const {
    start(t, endless());
    t.enter("The capital of France is");
    ASSERT_TRUE(t.wait_for("Paris")) << t.screen();
  }
  /// The same, and the number of its process.
  [[nodiscard]] pid_t begin_answer_of_process(const tmux_terminal& t) {
    const auto file = scratch_ / fmt::format("pid-{}", ++asked_);
    auto command = larql({"chat", vindex().string(), "--no-history", "-t", "2"});
    for (auto& word : endless())
      command.push_back(std::move(word));
    t.enter(
        fmt::format("sh -c 'echo $$ > {}; exec \"$@\"' sh {}", file.string(), shell_line(command)));
    EXPECT_TRUE(t.wait_for("\n>")) << t.screen();
    t.enter("The capital of France is");
    EXPECT_TRUE(t.wait_for("Paris")) << t.screen();
    return static_cast<pid_t>(std::stoi(read_file(file)));
  }
  static void stop_answer(const tmux_terminal& t, unsigned times = 1) {
    t.press("C-c");
    ASSERT_TRUE(t.wait_for("stopped: /continue goes on", times)) << t.screen();
  }

private:
  int asked_ = 0;
};

TEST_F(ChatKeys, WhatIsTypedWhileAnAnswerComesStandsInTheNextLine) {
  const auto t = tmux_terminal{100, 40};
  begin_answer(t);
  t.type("and of\tItalx");
  t.press("BSpace");
  t.type("y?");
  stop_answer(t);
  EXPECT_TRUE(t.wait_for("\n> and of")) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "and of"), 1u) << "not in the answer: " << t.screen();
  t.press("Enter");
  EXPECT_TRUE(eventually([&] { return count_of(t.screen(), "\n>") == 2; })) << t.screen();
  stop_answer(t, 2);
  EXPECT_EQ(saved(t, "talk.json")["turns"][2]["content"], "and of\tItaly?");
  t.enter("/quit");
  expect_end(t);
}

TEST_F(ChatKeys, EnterSendsNothingThatWasTypedBefore) {
  const auto t = tmux_terminal{100, 40};
  begin_answer(t);
  t.enter("first");
  t.enter("second");
  t.press("C-d");
  t.press("Enter");
  stop_answer(t);
  EXPECT_TRUE(t.wait_for("second")) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "tokens, "), 1u) << "nothing was sent: " << t.screen();
  t.press("Enter");
  EXPECT_TRUE(eventually([&] { // the second answer, and not the line below it alone
    const auto text = t.screen();
    const auto at = text.find("second\n");
    return at != std::string::npos && words_of(text.substr(at)).size() > 20;
  })) << t.screen();
  stop_answer(t, 2);
  const auto turns = saved(t, "talk.json")["turns"];
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[2]["content"], "first\nsecond");
}

TEST_F(ChatKeys, APasteWhileAnAnswerComesIsOneMessage) {
  const auto t = tmux_terminal{100, 40};
  begin_answer(t);
  auto text = std::string{"What is\n\tthe capital\n"};
  for (auto i = 0; i < 2000; ++i) // more than a terminal keeps
    text += fmt::format("of country {}\n", i);
  t.paste("And then:\n");
  t.paste(text);
  stop_answer(t);
  ASSERT_TRUE(t.wait_for("> And then:[pasted text 1: 2002 lines]")) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "of country"), 0u) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "tokens, "), 1u) << "nothing was sent: " << t.screen();
  t.press("Enter");
  ASSERT_TRUE(eventually([&] { return count_of(t.screen(), "\n>") >= 2; })) << t.screen();
  stop_answer(t, 2);
  text.pop_back();
  EXPECT_EQ(saved(t, "talk.json")["turns"][2]["content"], "And then:" + text);
}

TEST_F(ChatKeys, CtrlZGivesTheTerminalBackAndFgKeepsWhatWasTyped) {
  const auto t = tmux_terminal{100, 60};
  begin_plain_shell(t);
  const auto before = modes(t);
  begin_answer(t);
  t.type("kept");
  t.press("C-z");
  ASSERT_TRUE(t.wait_for("Stopped")) << t.screen();
  EXPECT_EQ(modes(t), before);
  t.paste("echo not bracketed\n");
  EXPECT_TRUE(t.wait_for("\nnot bracketed")) << t.screen();
  ASSERT_TRUE(t.bring_back("larql")) << t.screen();
  t.type(" too");
  stop_answer(t);
  EXPECT_TRUE(t.wait_for("\n> kept too")) << t.screen();
  t.press("C-z"); // while a line is typed
  ASSERT_TRUE(t.wait_for("Stopped", 2)) << t.screen();
  EXPECT_EQ(modes(t), before);
  ASSERT_TRUE(t.bring_back("larql")) << t.screen();
  ASSERT_TRUE(t.wait_for("\n> kept too", 2)) << t.screen();
  t.press("C-u");
  t.press("C-d");
  ASSERT_TRUE(eventually([&] {
    return t.screen().find("plain:", t.screen().rfind('>')) != std::string::npos;
  })) << t.screen();
  EXPECT_EQ(modes(t), before);
}

TEST_F(ChatKeys, SignalsThatEndItGiveTheTerminalBack) {
  const auto t = tmux_terminal{100, 60};
  begin_plain_shell(t);
  const auto before = modes(t);
  const auto code_is = [&](const std::string& code) {
    EXPECT_TRUE(eventually([&] {
      const auto text = t.screen();
      return text.find("plain:", text.rfind("Paris")) != std::string::npos;
    })) << t.screen();
    t.enter("echo ended with $?");
    EXPECT_TRUE(t.wait_for("\nended with " + code)) << t.screen();
  };
  for (const auto signal : {SIGTERM, SIGHUP}) {
    ::kill(begin_answer_of_process(t), signal);
    code_is(std::to_string(128 + signal));
    EXPECT_EQ(modes(t), before) << signal;
    t.enter("clear");
  }
  const auto pid = begin_answer_of_process(t);
  ::kill(pid, SIGINT);
  ::kill(pid,
         SIGTERM); // whichever comes second ends it at once, unless the answer has been stopped
  code_is("1");
  EXPECT_EQ(modes(t), before);
}

TEST_F(ChatKeys, AnEditorHasTheTerminalAsItWas) {
  const auto t = tmux_terminal{100, 60};
  begin_plain_shell(t);
  const auto before = modes(t);
  const auto seen = scratch_ / "seen";
  const auto editor = scratch_ / "editor";
  write_file(editor, fmt::format("#!/bin/sh\nstty -g > {}\nread line\necho \"$line\" > \"$1\"\n",
                                 seen.string()));
  fs::permissions(editor, fs::perms::owner_all);
  t.enter("export VISUAL=" + editor.string());
  start(t, {"-n", "2"});
  t.enter("/edit");
  ASSERT_TRUE(eventually([&] { return fs::exists(seen) && !read_file(seen).empty(); }))
      << t.screen();
  EXPECT_EQ(read_file(seen), before);
  t.enter("The capital of France");
  ASSERT_TRUE(t.wait_for("/continue")) << t.screen();
  EXPECT_EQ(saved(t, "talk.json")["turns"][0]["content"], "The capital of France");
}

} // namespace
} // namespace larql::test
