// Mirrors cli/laptop/run.cpp from outside: what scripts that measure rely on, and which chat format
// prompts have.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"
#include "tests/support/paths.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

namespace larql::test {
namespace {

class Run : public testing::Test {
protected:
  void SetUp() override {
    const auto done =
        run(larql({"extract", (test::source_dir() / "tests/demo_model/larql-demo.gguf").string(),
                   "-o", vindex()}));
    ASSERT_EQ(done.code, 0) << done.err;
  }
  [[nodiscard]] std::string vindex() const { return (scratch_ / "demo.vindex").string(); }
  [[nodiscard]] finished answer(const words& options) const {
    auto command = larql({"run", vindex(), "The capital of France is", "--raw", "-q", "-n", "60"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  static std::vector<std::uint32_t> numbers(const std::string& text) {
    auto in = std::istringstream{text};
    auto out = std::vector<std::uint32_t>{};
    for (auto line = std::string{}; std::getline(in, line);)
      out.push_back(static_cast<std::uint32_t>(std::stoul(line)));
    return out;
  }

  temporary_directory scratch_;
};

TEST_F(Run, TokenIdsAreOnePerLineAndThoseOfTheText) {
  const auto ids_of = [&](const std::string& text) {
    auto lines = run(larql({"tokenize", vindex(), text})).out;
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return numbers(lines);
  };
  ASSERT_TRUE(answer({}).out.starts_with(" Paris")) << answer({}).out;
  const auto made = answer({"--token-ids"});
  ASSERT_EQ(made.code, 0) << made.err;
  auto expected = ids_of("The capital of France is");
  const auto ids = numbers(made.out);
  ASSERT_GT(ids.size(), 2u);
  expected.insert(expected.end(), ids.begin(), ids.begin() + 2);
  EXPECT_EQ(ids_of("The capital of France is Paris"), expected);
}

TEST_F(Run, SpeculationChangesNoTokenAndIsReported) {
  const auto words_of = [&](const std::string& how, const std::string& temperature) {
    return words{"--token-ids",   "--ignore-eos", "--speculate", how,
                 "--temperature", temperature,    "--seed",      "5"};
  };
  for (const auto* temperature : {"0", "0.8"}) {
    const auto plain = answer(words_of("off", temperature));
    ASSERT_EQ(numbers(plain.out).size(), 60u) << plain.err;
    for (const auto* how : {"auto", "1", "8", "31"})
      EXPECT_EQ(answer(words_of(how, temperature)).out, plain.out) << how;
  }
  // Greedy small models repeat themselves, which a suffix tree guesses.
  const auto told = run(larql({"run", vindex(), "one two three one two three one two three one",
                               "--raw", "-n", "60", "--ignore-eos", "--speculate", "8"}));
  EXPECT_NE(told.err.find("drafts were right"), std::string::npos) << told.err;
  for (const auto* wrong : {"32", "0", "fast", "-1"})
    EXPECT_EQ(answer({"--speculate", wrong}).code, 2) << wrong;
}

TEST_F(Run, ABenchWithSyntheticAcceptanceIsTheSameInEveryRun) {
  const auto measure = [&] {
    return run(
        larql({"bench", vindex(), "--prompt-tokens", "1", "--gen-tokens", "1", "--repeat", "1",
               "--no-probe", "--speculate", "4", "--synthetic-acceptance", "0,0.7,1", "--json"}));
  };
  const auto first = measure(), again = measure();
  ASSERT_EQ(first.code, 0) << first.err;
  const auto a = parse_json_text(first.out)["speculation"];
  const auto b = parse_json_text(again.out)["speculation"];
  ASSERT_EQ(a.size(), 3u);
  for (auto i = std::size_t{0}; i < a.size(); ++i) {
    EXPECT_GE(a[i]["passes"], 200);
    for (const auto* what : {"drafted", "accepted", "tokens"})
      EXPECT_NEAR(a[i][what].get<double>() / a[i]["passes"].get<double>(),
                  b[i][what].get<double>() / b[i]["passes"].get<double>(), 0.1)
          << what;
  }
  EXPECT_DOUBLE_EQ(a[0]["tokens_per_pass"], 1);
  EXPECT_NEAR(a[1]["tokens_per_pass"].get<double>(), 2.77, 0.4); // (1 - 0.7^5) / 0.3
  EXPECT_NEAR(a[2]["tokens_per_pass"].get<double>(), 5, 0.2);    // fewer where a context ends
}

TEST_F(Run, IgnoringTheEndOfTheAnswerGoesOnToTheLastToken) {
  const auto until_end = numbers(answer({"--token-ids"}).out);
  const auto all = numbers(answer({"--token-ids", "--ignore-eos"}).out);
  EXPECT_LT(until_end.size(), 60u);
  ASSERT_EQ(all.size(), 60u);
  EXPECT_TRUE(std::equal(until_end.begin(), until_end.end(), all.begin()));
}

// ---- chat formats -------------------------------------------------------------------------------

class ChatFormats : public Run {
protected:
  static constexpr auto question = "What is the capital of France?";

  void write_template(const std::string& text) const {
    write_file(scratch_ / "demo.vindex/chat_template.jinja", text);
  }
  [[nodiscard]] finished ask(const words& options) const {
    auto command = larql({"run", vindex(), question, "-n", "40"});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  [[nodiscard]] finished talk(const words& options) const {
    auto command = larql({"chat", vindex(), "--no-history", "-n", "40"});
    command.insert(command.end(), options.begin(), options.end());
    auto chat = child_process{command, {}, child_input::pipe};
    chat.write(fmt::format("{}\n", question));
    chat.end_input();
    const auto ended = chat.wait();
    return {ended ? ended->code : -1, chat.out(), chat.err()};
  }
};

TEST_F(ChatFormats, WithoutATemplateRunAndChatDoTheSameAndSayWhat) {
  const auto with = ask({"-q"}).out;
  std::filesystem::remove(scratch_ / "demo.vindex/chat_template.jinja");
  const auto answered = ask({});
  EXPECT_EQ(answered.out, with);
  EXPECT_NE(answered.err.find("has no chat template: Gemma 4's chat format is used"),
            std::string::npos)
      << answered.err;
  const auto talked = talk({});
  EXPECT_EQ(talked.out, with);
  EXPECT_NE(talked.err.find("has no chat template: Gemma 4's"), std::string::npos) << talked.err;
  EXPECT_EQ(ask({"--raw"}).err.find("template"), std::string::npos);
}

TEST_F(ChatFormats, AForeignTemplateLeavesPlainTextAndAnExplicitFormat) {
  const auto with = ask({"-q"}).out;
  write_template("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}");
  const auto refused = ask({});
  EXPECT_EQ(refused.code, 1);
  for (const auto* part : {"chat_template.jinja", "--raw", "--chat-format gemma4"})
    EXPECT_NE(refused.err.find(part), std::string::npos) << refused.err;
  EXPECT_NE(talk({}).err.find("--chat-format gemma4"), std::string::npos);
  EXPECT_TRUE(answer({}).out.starts_with(" Paris")) << answer({}).err;
  EXPECT_EQ(ask({"-q", "--chat-format", "gemma4"}).out, with);
  EXPECT_EQ(talk({"-q", "--chat-format", "gemma4"}).out, with);
  EXPECT_EQ(ask({"--chat-format", "chatml"}).code, 2);
}

TEST_F(ChatFormats, ATemplateThatSaysMoreIsReportedInOneLine) {
  write_template(read_file(scratch_ / "demo.vindex/chat_template.jinja") +
                 "{{ 'You are a helpful assistant.' }}");
  for (const auto& done : {ask({}), talk({})}) {
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.err.find("left out: \"You are a helpful assistant.\""), std::string::npos)
        << done.err;
  }
  EXPECT_EQ(ask({"-q"}).err, "");
}

// ---- what is in force ---------------------------------------------------------------------------

TEST_F(ChatFormats, VerboseSaysHowTokensAreChosenAndWhatEndsAnAnswer) {
  write_file(scratch_ / "demo.vindex/generation_config.json",
             R"({"temperature": 0.9, "top_k": 40, "top_p": 0.8, "eos_token_id": 1,
                 "suppress_tokens": [5]})");
  const auto greedy = ask({"--verbose"}).err;
  for (const auto* part : {"always the most likely one", "the model's own is 0.9",
                           "never chosen: 1 tokens", "<turn|>", "the model's chat template"})
    EXPECT_NE(greedy.find(part), std::string::npos) << part << " in " << greedy;
  const auto varied = ask({"--verbose", "--temperature", "0.5"}).err;
  EXPECT_NE(varied.find("temperature 0.5, top-k 40 (the model's), top-p 0.8 (the model's)"),
            std::string::npos)
      << varied;
  const auto asked = ask({"--verbose", "--temperature", "0.5", "--top-k", "3"}).err;
  EXPECT_NE(asked.find("top-k 3, top-p 0.8 (the model's)"), std::string::npos) << asked;
  EXPECT_NE(ask({"--verbose", "--raw"}).err.find("prompt: plain text"), std::string::npos);
  EXPECT_EQ(ask({"--verbose", "-q"}).code, 2);
}

TEST_F(ChatFormats, ATokenThatIsNeverToBeChosenIsNotChosen) {
  const auto first = numbers(answer({"--token-ids"}).out);
  ASSERT_FALSE(first.empty());
  write_file(scratch_ / "demo.vindex/generation_config.json",
             fmt::format(R"({{"suppress_tokens": [{}]}})", first[0]));
  const auto other = numbers(answer({"--token-ids"}).out);
  ASSERT_FALSE(other.empty());
  EXPECT_EQ(std::count(other.begin(), other.end(), first[0]), 0);
}

// ---- options of answers -------------------------------------------------------------------------

TEST_F(ChatFormats, AStopTextEndsTheAnswerAndIsNotShown) {
  const auto whole = ask({"-q"}).out;
  ASSERT_GT(whole.size(), 8u) << whole;
  const auto stop = whole.substr(4, 3);
  const auto cut = ask({"--stop", "never", "--stop", stop});
  EXPECT_EQ(cut.out, whole.substr(0, whole.find(stop)) + "\n");
  EXPECT_NE(cut.err.find("a stop text came"), std::string::npos) << cut.err;
}

TEST_F(ChatFormats, JsonIsOneObjectWithTheAnswerAndItsNumbers) {
  const auto text = ask({"-q"}).out;
  const auto done = ask({"-q", "--json"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  const auto all = nlohmann::json::parse(done.out);
  EXPECT_EQ(all["text"].get<std::string>() + "\n", text);
  EXPECT_EQ(all["finish_reason"], "stop");
  EXPECT_GT(all["tokens"], 0);
  EXPECT_GT(all["prompt_tokens"], 0);
  EXPECT_EQ(all["timings"]["nodes"], 0);
  EXPECT_EQ(ask({"--json", "--token-ids"}).code, 2);
}

TEST_F(ChatFormats, PenaltiesChangeTheAnswerAndAreChecked) {
  const auto plain = answer({"--ignore-eos"}).out;
  for (const auto* penalty : {"--repetition-penalty", "--presence-penalty", "--frequency-penalty"})
    EXPECT_NE(answer({"--ignore-eos", penalty, "50"}).out, plain) << penalty;
  EXPECT_EQ(ask({"-q", "--repetition-penalty", "1", "--presence-penalty", "0"}).out,
            ask({"-q"}).out);
  EXPECT_EQ(ask({"--repetition-penalty", "0"}).code, 2);
  EXPECT_EQ(ask({"--frequency-penalty", "101"}).code, 2);
}

} // namespace
} // namespace larql::test
