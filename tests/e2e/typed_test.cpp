// Mirrors cli/laptop/prompt_text.hpp, cli/support/model_kind.hpp and cli/support/help.hpp from
// outside: what people type, and what they are told.

#include "tests/e2e/programs.hpp"

#include <sstream>

namespace larql::test {
namespace {

class Typed : public model_test {
protected:
  static finished run_with_input(const words& command, const std::string& input) {
    auto child = child_process{command, {}, child_input::pipe};
    child.write(input);
    child.end_input();
    const auto ended = child.wait();
    return {ended ? ended->code : -1, child.out(), child.err()};
  }
  [[nodiscard]] words answer(const words& options) const {
    auto out = larql({"run", vindex().string(), "--raw", "-q", "-n", "5"});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
};

// ---- the prompt ---------------------------------------------------------------------------------

TEST_F(Typed, APromptComesFromTheCommandLineAPipeOrAFile) {
  const auto expected = run(answer({"abc"}));
  ASSERT_EQ(expected.code, 0) << expected.err;
  const auto file = (scratch_ / "prompt.txt").string();
  write_file(file, "abc\n");
  EXPECT_EQ(run(answer({"-f", file})).out, expected.out);
  for (const auto& options : {words{}, words{"-"}, words{"-f", "-"}}) {
    const auto done = run_with_input(answer(options), "abc\n");
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.out, expected.out);
  }
}

TEST_F(Typed, APromptOfAPipeIsLongerThanACommandLineMayBe) {
  const auto done = run_with_input(answer({}), std::string(300'000, 'a'));
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("do not fit the context of 4096 tokens, as the model was trained"),
            std::string::npos)
      << done.err;
  EXPECT_EQ(done.out, "");
}

TEST_F(Typed, StandardInputIsLeftAloneIfThereIsAPrompt) {
  auto child = child_process{answer({"abc"}), {}, child_input::pipe}; // its input never ends
  EXPECT_EQ(child.wait(), (exit_status{0, 0})) << child.err();
}

TEST_F(Typed, AMissingPromptSaysWhatToType) {
  for (const auto& [command, part] :
       {std::pair{larql({"run", "Why is the sky blue?"}),
                  "larql run MODEL \"Why is the sky blue?\""},
        std::pair{larql({"run", vindex().string()}), "the prompt is missing"},
        std::pair{larql({"run", vindex().string(), ""}), "the prompt is empty"},
        std::pair{larql({"run", vindex().string(), "x", "-f", "y"}), "exclude each other"}}) {
    const auto done = run(command);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  }
  const auto done = run(larql({"run", vindex().string(), "-f", "/nowhere.txt"}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("/nowhere.txt: "), std::string::npos) << done.err;
}

// ---- how long an answer is ----------------------------------------------------------------------

TEST_F(Typed, AnAnswerWithoutALimitEndsWithTheContextAndSaysSo) {
  const auto done = run(larql(
      {"run", vindex().string(), "abc", "-q", "--ignore-eos", "--context", "150", "--token-ids"}));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_GT(std::count(done.out.begin(), done.out.end(), '\n'), 100);
  EXPECT_EQ(done.err, "larql: the answer ends here because the context is full: 150 tokens "
                      "(--context)\n");
}

TEST_F(Typed, TheReportSaysWhereTheContextComesFrom) {
  const auto done = generate({"-n", "3"});
  EXPECT_NE(done.err.find(" of 4096 tokens, as the model was trained\n"), std::string::npos)
      << done.err;
  const auto larger = generate({"-n", "3", "--context", "5000"});
  EXPECT_EQ(larger.code, 0);
  EXPECT_NE(larger.err.find("the model was trained for 4096 tokens"), std::string::npos)
      << larger.err;
}

// ---- other files than a vindex ------------------------------------------------------------------

TEST_F(Typed, WhatIsNoVindexIsRecognisedByEveryCommand) {
  const auto checkpoint = scratch_ / "checkpoint";
  fs::create_directories(checkpoint);
  write_file(checkpoint / "config.json", "{}");
  write_file(checkpoint / "model.safetensors", "x");
  const auto files = scratch_ / "files";
  fs::create_directories(files);
  fs::copy_file(gguf(), files / "tiny.gguf");
  const auto above = scratch_ / "above";
  fs::create_directories(above / "m.vindex");
  fs::copy_file(vindex() / "index.json", above / "m.vindex/index.json");
  const std::pair<std::string, std::string> wrong_for_all[] = {
      {(checkpoint / "model.safetensors").string(), "is a file of a checkpoint"},
      {above.string(), "holds one: " + (above / "m.vindex").string()},
      {(vindex() / "index.json").string(), "the vindex is the directory " + vindex().string()},
  };
  // What others run from where it lies.
  const std::pair<std::string, std::string> no_vindex[] = {
      {gguf().string(), "is a GGUF file, not a vindex; `larql extract " + gguf().string()},
      {checkpoint.string(), "is a checkpoint, not a vindex; `larql extract"},
      {files.string(), "holds a GGUF file"},
  };
  const auto expect = [](const words& command, const std::string& part) {
    const auto done = run(command);
    EXPECT_EQ(done.code, 2) << command[1] << ": " << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << command[1] << ": " << done.err;
  };
  const auto need_a_vindex = [&](const std::string& path) {
    return std::vector<words>{
        larql({"verify", path}),
        larql({"slice", path, "-o", (scratch_ / "s").string(), "--preset", "moe-client"}),
        larql({"publish", path, "--repo", "ann/tiny"})};
  };
  for (const auto& [path, part] : wrong_for_all) {
    for (const auto& command :
         {larql({"run", path, "abc"}), larql({"chat", path}), larql({"inspect", path}),
          larql({"tokenize", path, "abc"}),
          larql({"logits", path, "--ids", "1", "-o", (scratch_ / "l").string()}),
          larql({"bench", path}), larql_node({path, "--port", "0"})})
      expect(command, part);
    for (const auto& command : need_a_vindex(path))
      expect(command, part);
  }
  for (const auto& [path, part] : no_vindex)
    for (const auto& command : need_a_vindex(path))
      expect(command, part);
}

TEST_F(Typed, ADirectoryOfSeveralGgufFilesAsksForOne) {
  const auto files = scratch_ / "files";
  fs::create_directories(files);
  for (const auto* name : {"a.gguf", "b.gguf", "mmproj-a.gguf"})
    fs::copy_file(gguf(), files / name);
  const auto done = run(larql({"run", files.string(), "abc"}));
  EXPECT_EQ(done.code, 2);
  EXPECT_NE(done.err.find("several GGUF files, a.gguf and b.gguf"), std::string::npos) << done.err;
}

TEST_F(Typed, ExtractKnowsWhatItHasNothingToDoWith) {
  const auto made = run(larql({"extract", vindex().string(), "-o", (scratch_ / "x").string()}));
  EXPECT_EQ(made.code, 2);
  EXPECT_NE(made.err.find("is a vindex already"), std::string::npos) << made.err;
  const auto name = run(larql({"extract", "google/gemma", "-o", (scratch_ / "x").string()}));
  EXPECT_EQ(name.code, 1);
  EXPECT_NE(name.err.find("is downloaded first"), std::string::npos) << name.err;
}

TEST_F(Typed, ANameOfTheHubWithoutItsSchemeIsRecognised) {
  const auto done = run(larql({"run", "ann/gemma4-vindex", "abc"}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("hf://ann/gemma4-vindex"), std::string::npos) << done.err;
}

TEST_F(Typed, ValuesThatMeanNothingAreUsageErrors) {
  const auto v = vindex().string();
  for (const auto& [command, part] :
       {std::pair{larql({"run", v, "x", "--seed", "-5"}), "--seed is \"-5\""},
        std::pair{larql({"run", v, "x", "-n", "three"}), "--max-tokens is \"three\", expected a"},
        std::pair{larql({"tokenize", v, "--decode", "99999"}), "outside the vocabulary of"},
        std::pair{larql_node({v, "--port", "80000"}), "whole number, 0 to 65535"}}) {
    const auto done = run(command);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  }
  EXPECT_EQ(run(larql({"inspect", v}), {{"LARQL_LOG", "loud"}}).code, 2);
}

TEST_F(Typed, AModelWithoutAChatTemplateIsSaidToGoOnAsPlainText) {
  fs::remove(vindex() / "chat_template.jinja");
  EXPECT_NE(generate({"-n", "2"}).err.find("has no chat template"), std::string::npos);
  EXPECT_EQ(generate({"-n", "2", "--raw"}).err.find("chat template"), std::string::npos);
}

// ---- names --------------------------------------------------------------------------------------

TEST_F(Typed, ANameOfAModelForgesNothing) {
  auto index = read_file(vindex() / "index.json");
  const auto at = index.find("\"tiny\"");
  ASSERT_NE(at, std::string::npos);
  index.replace(at, 6, "\"e\\u001b]0;x\\u0007\\u001b[2J\\nfake: line\\u009b1m\\u202e\"");
  write_file(vindex() / "index.json", index);
  const auto done = run(larql({"inspect", vindex().string()}));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const auto* part : {"\x1b", "\x07", "\nfake", "\xc2\x9b", "\xe2\x80\xae"})
    EXPECT_EQ(done.out.find(part), std::string::npos);
  EXPECT_NE(done.out.find("fake: line"), std::string::npos) << done.out;
}

// ---- help ---------------------------------------------------------------------------------------

std::vector<words> all_commands() {
  auto out = std::vector<words>{larql({}), larql_node({})};
  for (const auto* name :
       {"run", "chat", "serve", "status", "drain", "restart", "topology", "certs", "extract",
        "inspect", "slice", "verify", "tokenize", "logits", "pull", "publish", "cache", "bench"})
    out.push_back(larql({name}));
  for (const auto& two :
       {std::pair{"topology", "check"}, std::pair{"topology", "init"}, std::pair{"certs", "init"},
        std::pair{"certs", "issue"}, std::pair{"certs", "list"}, std::pair{"certs", "secret"},
        std::pair{"cache", "list"}, std::pair{"cache", "remove"}, std::pair{"cache", "path"}})
    out.push_back(larql({two.first, two.second}));
  return out;
}

TEST(Help, FitsAScreenAndHasTwoExamples) {
  for (auto command : all_commands()) {
    command.push_back("--help");
    const auto done = run(command);
    SCOPED_TRACE(done.out);
    EXPECT_EQ(done.code, 0);
    auto lines = std::istringstream{done.out};
    auto count = 0;
    for (auto line = std::string{}; std::getline(lines, line); ++count)
      EXPECT_LE(line.size(), 80u) << line;
    EXPECT_LE(count, 24);
    const auto at = done.out.find("Examples:");
    ASSERT_NE(at, std::string::npos);
    auto examples = std::istringstream{done.out.substr(at + 9)};
    auto example = std::string{};
    for (auto i = 0; i < 2; ++i) {
      examples >> std::ws;
      std::getline(examples, example);
      EXPECT_NE(example.find("larql"), std::string::npos) << example;
    }
    if (done.out.find("\nCommands:\n") == std::string::npos) {
      EXPECT_NE(done.out.find("Environment: LARQL_LOG"), std::string::npos);
    }
  }
}

TEST(Help, OfAllNamesEverythingWithDefaultsAndEnvironment) {
  const auto done = run(larql({"run", "--help-all"}));
  EXPECT_EQ(done.code, 0);
  for (const auto* part :
       {"Options:\n", "Sampling:\n", "Connections:\n", "--temperature", "(default: 256)",
        "[f16|f32] (default: f16)", "Environment:\n  LARQL_LOG", "~/.cache/larql"})
    EXPECT_NE(done.out.find(part), std::string::npos) << part << "\n" << done.out;
}

TEST(Help, IsFoundByTheWordHelpAsWell) {
  EXPECT_EQ(run(larql({"help"})).out, run(larql({"--help"})).out);
  EXPECT_EQ(run(larql({"help", "run"})).out, run(larql({"run", "--help"})).out);
}

} // namespace
} // namespace larql::test
