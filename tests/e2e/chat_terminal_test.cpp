// Mirrors cli/laptop/chat as a person sees it, on a terminal of tmux(1): typing, pasting, stopping,
// the foreground and the background, narrow and wide. What is typed while an answer comes is in
// chat_keys_test.cpp.

#include "tests/e2e/chat_on_terminal.hpp"

namespace larql::test {
namespace {

using ChatTerminal = chat_on_terminal;

TEST_F(ChatTerminal, HoldsAConversationInNarrowAndWideWindows) {
  auto texts = std::vector<std::string>{};
  for (const auto columns : {40u, 200u}) {
    const auto t = tmux_terminal{columns, 50};
    start(t, {"-n", "12"});
    t.enter("The capital of France is");
    ASSERT_TRUE(t.wait_for(timing)) << t.screen();
    t.enter("Answer once more, please: the capital of Italy is");
    ASSERT_TRUE(t.wait_for(timing, 2)) << t.screen();
    const auto turns = saved(t, fmt::format("talk-{}.json", columns))["turns"];
    EXPECT_EQ(turns.size(), 4u);
    texts.push_back(turns.dump());
    EXPECT_NE(t.screen().find("Paris"), std::string::npos) << t.screen();
    t.enter("/quit");
    expect_end(t);
  }
  EXPECT_EQ(texts[0], texts[1]);
}

TEST_F(ChatTerminal, WordsStayWholeAtTheEdgeAlsoAfterAnotherSize) {
  make_answers_endless();
  const auto question = std::string{"The capital of France is"};
  const auto plain = run(larql({"run", vindex().string(), question, "-q", "-n", "60"}));
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto words = words_of(plain.out);
  ASSERT_GT(words.size(), 10u) << plain.out;
  const auto t = tmux_terminal{40, 50};
  start(t, {"-n", "60"});
  auto turns = 0u;
  for (const auto columns : {40u, 28u}) {
    t.resize(columns, 50);
    if (turns != 0)
      t.enter("/clear");
    t.enter(question);
    ASSERT_TRUE(t.wait_for(timing, ++turns)) << t.screen();
    const auto rows = t.rows();
    auto first = rows.size();
    while (first != 0 && !rows[first - 1].starts_with("> " + question))
      --first;
    ASSERT_NE(first, 0u) << t.screen();
    auto shown = std::string{};
    for (auto i = first; i < rows.size() && !rows[i].starts_with("("); ++i)
      shown += rows[i] + "\n";
    EXPECT_EQ(words_of(shown), words) << shown;
  }
  EXPECT_EQ(saved(t, "talk.json")["turns"][1]["content"].get<std::string>() + "\n", plain.out);
}

TEST_F(ChatTerminal, AcceptedDraftsStandInTheTimingLineHereAndFromAServer) {
  make_answers_endless();
  const auto server = serve_process{vindex(), {"--speculate", "4"}};
  for (const auto& command : {larql({"chat", vindex().string(), "--speculate", "4", "-n", "200"}),
                              larql({"chat", "--url", server.url(), "-n", "200"})}) {
    auto chat = child_process{command, {}, child_input::pipe};
    chat.write("The capital of France is\n");
    chat.end_input();
    EXPECT_EQ(chat.wait(), (exit_status{0, 0})) << chat.err();
    EXPECT_NE(chat.err().find(" drafts accepted)"), std::string::npos) << chat.err();
  }
}

TEST_F(ChatTerminal, ASavedConversationGoesOnInAnotherProcess) {
  const auto t = tmux_terminal{80, 40};
  start(t, {"-n", "12"});
  t.enter("The capital of France is");
  ASSERT_TRUE(t.wait_for(timing)) << t.screen();
  const auto turns = saved(t, "talk.json")["turns"];
  EXPECT_TRUE(t.wait_for("with the keys and values of")) << t.screen();
  t.enter("/quit");
  expect_end(t);
  t.enter("clear");
  start(t, {"-n", "12"});
  t.enter("/load " + (scratch_ / "talk.json").string());
  ASSERT_TRUE(t.wait_for("1 question, with the keys and values of")) << t.screen();
  t.enter("The capital of Italy is");
  ASSERT_TRUE(t.wait_for(timing)) << t.screen();
  const auto more = saved(t, "more.json")["turns"];
  ASSERT_EQ(more.size(), 4u);
  EXPECT_EQ(more[0], turns[0]);
  EXPECT_EQ(more[1], turns[1]);
}

TEST_F(ChatTerminal, APasteOfThreeLinesIsOneMessageAndKeepsItsTabs) {
  const auto t = tmux_terminal{80, 40};
  start(t, {"-n", "12"});
  t.paste("What is\n\tthe capital\nof Italy?\n");
  ASSERT_TRUE(t.wait_for("of Italy?")) << t.screen();
  EXPECT_EQ(count_of(t.screen(), timing), 0u) << "nothing is sent before Enter";
  t.press("Enter");
  ASSERT_TRUE(t.wait_for(timing)) << t.screen();
  const auto turns = saved(t, "talk.json")["turns"];
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0]["content"], "What is\n\tthe capital\nof Italy?");
}

TEST_F(ChatTerminal, ALongPasteStandsAsOneMarkAndIsSentWhole) {
  const auto t = tmux_terminal{80, 40};
  start(t, {"-n", "2"});
  auto text = std::string{};
  for (auto i = 0; i < 40; ++i)
    text += fmt::format("line {}\n", i);
  t.paste(text);
  ASSERT_TRUE(t.wait_for("[pasted text 1: 40 lines]")) << t.screen();
  t.press("Enter");
  ASSERT_TRUE(t.wait_for("/continue")) << t.screen();
  text.pop_back();
  EXPECT_EQ(saved(t, "talk.json")["turns"][0]["content"], text);
}

TEST_F(ChatTerminal, CtrlCEndsTheAnswerAndUndoGivesTheQuestionBack) {
  make_answers_endless();
  const auto t = tmux_terminal{100, 40};
  start(t, endless());
  t.enter("The capital of France is");
  ASSERT_TRUE(t.wait_for("Paris")) << t.screen();
  t.press("C-c");
  ASSERT_TRUE(t.wait_for("stopped: /continue goes on")) << t.screen();
  t.enter("/undo");
  ASSERT_TRUE(t.wait_for("> The capital of France is", 2)) << t.screen();
  t.type(" not");
  ASSERT_TRUE(t.wait_for("> The capital of France is not")) << t.screen();
  t.press("C-u");
  EXPECT_TRUE(saved(t, "talk.json")["turns"].empty());
  t.press("C-d");
  expect_end(t);
}

TEST_F(ChatTerminal, CtrlZStopsItAndFgBringsItBackWhileTypingAndAnswering) {
  make_answers_endless();
  const auto t = tmux_terminal{100, 40};
  start(t, endless());
  t.type("The capital");
  ASSERT_TRUE(t.wait_for("> The capital")) << t.screen();
  t.press("C-z");
  ASSERT_TRUE(t.wait_for("Stopped")) << t.screen();
  t.enter("stty -a | grep -o ' icanon'"); // the shell has its own terminal again
  ASSERT_TRUE(t.wait_for("\n icanon")) << t.screen();
  ASSERT_TRUE(t.bring_back("larql")) << t.screen();
  ASSERT_TRUE(t.wait_for("> The capital", 2)) << t.screen();
  t.enter(" of France is");
  ASSERT_TRUE(t.wait_for("Paris")) << t.screen();
  t.press("C-z");
  ASSERT_TRUE(t.wait_for("Stopped", 2)) << t.screen();
  ASSERT_TRUE(t.bring_back("larql")) << t.screen();
  t.press("C-c");
  ASSERT_TRUE(t.wait_for("stopped: /continue goes on")) << t.screen();
  t.enter("/quit");
  expect_end(t);
}

TEST_F(ChatTerminal, AnotherSizeLeavesTheLineThatIsTyped) {
  const auto t = tmux_terminal{100, 30};
  start(t, {"-n", "2"});
  t.type("The capital of");
  ASSERT_TRUE(t.wait_for("> The capital of")) << t.screen();
  t.resize(50, 30);
  t.type(" France is");
  ASSERT_TRUE(t.wait_for("> The capital of France is")) << t.screen();
  t.press("Enter");
  ASSERT_TRUE(t.wait_for("/continue")) << t.screen();
  EXPECT_EQ(saved(t, "talk.json")["turns"][0]["content"], "The capital of France is");
}

TEST_F(ChatTerminal, ANodeThatIsKilledInTheMiddleIsNamedAndItsReturnGoesOn) {
  make_answers_endless();
  const auto node = [&](const std::string& name, const std::string& experts,
                        const std::string& port) {
    return std::make_unique<node_process>(
        vindex(), words{"--name", name, "--experts", experts, "--port", port});
  };
  const auto alpha = node("alpha", "0-7", "0");
  auto beta = node("beta", "8-15", "0");
  const auto t = tmux_terminal{100, 40};
  auto options = endless();
  options.insert(options.end(), {"--moe-shards", alpha->owns("0-7") + "," + beta->owns("8-15")});
  start(t, options);
  t.enter("The capital of France is");
  ASSERT_TRUE(t.wait_for("Paris")) << t.screen();
  beta->child().signal(SIGKILL);
  ASSERT_TRUE(beta->child().wait());
  ASSERT_TRUE(t.wait_for("\nwaiting for experts 8-15 of node beta")) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "larql: cluster:"), 0u)
      << "no message in the middle: " << t.screen();
  beta = node("beta", "8-15", std::to_string(beta->port()));
  ASSERT_TRUE(eventually([&] { return count_of(t.screen(), "waiting for experts") == 0; }))
      << t.screen();
  t.press("C-c");
  ASSERT_TRUE(t.wait_for("stopped: /continue goes on")) << t.screen();
  EXPECT_TRUE(t.wait_for("larql: cluster: node beta")) << t.screen();
  EXPECT_TRUE(t.wait_for("2 nodes")) << t.screen();
}

TEST_F(ChatTerminal, ANodeThatIsFrozenIsNamedHereAndByAServer) {
  make_answers_endless();
  const auto alpha = node_process{vindex(), {"--name", "alpha", "--experts", "0-7"}};
  auto beta = node_process{vindex(), {"--name", "beta", "--experts", "8-15"}};
  const auto map = alpha.owns("0-7") + "," + beta.owns("8-15");
  const auto server = serve_process{vindex(), {"--moe-shards", map, "--context", "100000"}};
  for (const auto& command :
       {larql({"chat", vindex().string(), "-t", "2", "--moe-shards", map, "--context", "100000"}),
        larql({"chat", "--url", server.url()})}) {
    const auto t = tmux_terminal{100, 40};
    t.enter(shell_line(command) + " --no-history -n 90000");
    ASSERT_TRUE(t.wait_for(ready)) << t.screen();
    t.enter("The capital of France is");
    ASSERT_TRUE(t.wait_for("Paris")) << t.screen();
    beta.child().signal(SIGSTOP);
    // A node that is lost, which takes five seconds to be known, is named without a reason.
    EXPECT_TRUE(t.wait_for("\nwaiting for experts 8-15 of node beta, which does not answer"))
        << t.screen();
    beta.child().signal(SIGCONT);
    EXPECT_TRUE(eventually([&] { return count_of(t.screen(), "waiting for experts") == 0; }))
        << t.screen();
    t.press("C-c");
    EXPECT_TRUE(t.wait_for("stopped: /continue goes on")) << t.screen();
    t.enter("/quit");
    expect_end(t);
  }
}

TEST_F(ChatTerminal, AServerThatIsSilentIsSaidToBeWaitedFor) {
  auto server = serve_process{vindex(), {}};
  const auto t = tmux_terminal{100, 40};
  t.enter(shell_line(larql({"chat", "--url", server.url(), "--no-history"})));
  ASSERT_TRUE(t.wait_for(ready)) << t.screen();
  ASSERT_TRUE(t.wait_for("\n>")) << t.screen();
  server.child().signal(SIGSTOP);
  t.enter("The capital of France is");
  EXPECT_TRUE(t.wait_for("\nwaiting for the next token")) << t.screen();
  server.child().signal(SIGCONT);
  EXPECT_TRUE(t.wait_for("Paris")) << t.screen();
  EXPECT_TRUE(t.wait_for(timing)) << t.screen();
  EXPECT_EQ(count_of(t.screen(), "waiting"), 0u) << t.screen();
}

TEST_F(ChatTerminal, ATerminalThatGoesAwayEndsIt) {
  auto t = std::make_unique<tmux_terminal>(80, 24);
  const auto file = scratch_ / "pid";
  t->enter(fmt::format("{} & echo $! > {}; fg",
                       shell_line(larql({"chat", vindex().string(), "--no-history"})),
                       file.string()));
  ASSERT_TRUE(t->wait_for(ready)) << t->screen();
  const auto pid = static_cast<pid_t>(std::stoi(read_file(file)));
  t.reset();
  // Nobody may be there to reap it.
  EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0 || process_state(pid) == 'Z'; }));
}

TEST_F(ChatTerminal, ATerminalThatGoesAwayEndsRunEvenIfTheHangupIsIgnored) {
  make_answers_endless();
  auto t = std::make_unique<tmux_terminal>(80, 24);
  const auto file = scratch_ / "pid";
  auto command = larql({"run", vindex().string(), "The capital of France is", "--raw"});
  for (auto& word : endless())
    command.push_back(std::move(word));
  t->enter(fmt::format("trap '' HUP; {} & echo $! > {}; fg", shell_line(command), file.string()));
  ASSERT_TRUE(t->wait_for("Paris")) << t->screen();
  const auto pid = static_cast<pid_t>(std::stoi(read_file(file)));
  t.reset();
  EXPECT_TRUE(eventually([&] { return ::kill(pid, 0) != 0 || process_state(pid) == 'Z'; }));
}

} // namespace
} // namespace larql::test
