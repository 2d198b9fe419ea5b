// Mirrors cli/support/command.hpp: exit codes 0, 1 and 2, help and version of every command, and
// errors that name what was wrong.

#include "tests/e2e/programs.hpp"
#include "tests/support/json_text.hpp"

#include <nlohmann/json.hpp>

namespace larql::test {
namespace {

TEST(CommandLine, EveryCommandExplainsItself) {
  for (const auto* command :
       {"run", "chat", "serve", "status", "drain", "restart", "topology", "certs", "extract",
        "inspect", "slice", "verify", "tokenize", "logits", "pull", "publish", "bench", "cache"}) {
    const auto done = run(larql({command, "--help"}));
    EXPECT_EQ(done.code, 0) << command;
    EXPECT_NE(done.out.find("Usage: "), std::string::npos) << command;
    EXPECT_EQ(done.err, "") << command;
  }
  for (const auto& program : {larql({"--help"}), larql_node({"--help"})}) {
    const auto done = run(program);
    EXPECT_EQ(done.code, 0);
    EXPECT_NE(done.out.find("Usage: "), std::string::npos);
  }
}

TEST(CommandLine, VersionNamesProgramProtocolAndInstructionSet) {
  for (const auto& program : {larql({"--version"}), larql_node({"--version"})}) {
    const auto done = run(program);
    EXPECT_EQ(done.code, 0);
    EXPECT_TRUE(done.out.starts_with("larql ")) << done.out;
    EXPECT_NE(done.out.find("(protocol 1, "), std::string::npos) << done.out;
  }
}

TEST(CommandLine, WhatTheParserRefusesIsAUsageError) {
  const auto wrong = std::vector<words>{
      larql({}),
      larql({"--no-such-option"}),
      larql({"no-such-command"}),
      larql({"run"}),
      larql({"run", "only-a-directory"}),
      larql({"run", "dir", "prompt", "--max-tokens", "many"}),
      larql({"run", "dir", "prompt", "--max-tokens", "-1"}),
      larql({"run", "dir", "prompt", "--threads", "-1"}),
      larql({"run", "dir", "prompt", "--kv", "f64"}),
      larql({"run", "dir", "prompt", "--raw", "--chat"}),
      larql({"run", "dir", "prompt", "surplus"}),
      larql({"logits", "dir", "--ids", "1"}),
      larql({"extract", "file"}),
      larql({"extract", "file", "-o", "dir", "--quant", "q2"}),
      larql({"inspect"}),
      larql({"tokenize", "dir"}),
      larql({"tokenize", "dir", "text", "--decode", "1"}),
      larql_node({}),
      larql_node({"dir", "--port", "65536"}),
      larql_node({"dir", "--port", "-1"}),
      larql_node({"dir", "--port", "http"}),
      larql_node({"dir", "--threads", "x"}),
      larql_node({"dir", "surplus"}),
  };
  for (const auto& command : wrong) {
    const auto done = run(command);
    EXPECT_EQ(done.code, 2) << fmt::format("{}", command.back()) << ": " << done.err;
    EXPECT_EQ(done.out, "") << command.back();
    EXPECT_NE(done.err, "") << command.back();
  }
}

TEST(CommandLine, FilesThatAreNotThereAreFailuresThatNameThem) {
  const auto missing = std::string{"/nowhere/at/all"};
  for (const auto& command :
       {larql({"run", missing, "x"}), larql({"inspect", missing}),
        larql({"tokenize", missing, "x"}),
        larql({"logits", missing, "--ids", "1", "-o", "/dev/null"}),
        larql({"extract", missing, "-o", "/tmp/never"}), larql_node({missing, "--port", "0"})}) {
    const auto done = run(command);
    EXPECT_EQ(done.code, 1) << command[1];
    EXPECT_NE(done.err.find(missing), std::string::npos) << done.err;
  }
}

class CommandLineWithModel : public model_test {};

TEST_F(CommandLineWithModel, NumbersOutOfRangeAreUsageErrorsThatNameThem) {
  for (const auto& [options, part] : {
           std::pair{words{"--temperature", "-1"}, "temperature is -1"},
           std::pair{words{"--temperature", "nan"}, "temperature is nan"},
           std::pair{words{"--top-p", "0"}, "top-p is 0"},
           std::pair{words{"--top-p", "1.5"}, "top-p is 1.5"},
           std::pair{words{"--min-p", "2"}, "min-p is 2"},
           std::pair{words{"--chunk", "0"}, "chunk is 0"},
           std::pair{words{"--chunk", "100000"}, "chunk is 100000"},
           std::pair{words{"--context", "4294967295"}, "context is 4294967295"},
           std::pair{words{"--context", "2"}, "do not fit the context of 2"},
           std::pair{words{"--system", "x"}, "--system"},
       }) {
    const auto done = generate(options);
    EXPECT_EQ(done.code, 2) << part << ": " << done.err;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
  }
}

TEST_F(CommandLineWithModel, TokenIdsAreChecked) {
  const auto output = (scratch_ / "out").string();
  for (const auto& [ids, part] :
       {std::pair{"", "no token ids"}, std::pair{"  ", "no token ids"},
        std::pair{"1 x", "\"x\" is not a token id"}, std::pair{"1 -2", "\"-2\" is not a token id"},
        std::pair{"99999999999", "is not a token id"},
        std::pair{"512", "token id 512 is outside the vocabulary"}}) {
    const auto done = run(larql({"logits", vindex().string(), "--ids", ids, "-o", output}));
    EXPECT_EQ(done.code, 2) << ids;
    EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
    EXPECT_FALSE(fs::exists(output));
  }
}

TEST_F(CommandLineWithModel, MaxTokensBoundsTheAnswer) {
  const auto done = generate({"-n", "7"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("7 tokens, "), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("(--max-tokens reached)"), std::string::npos) << done.err;
  EXPECT_EQ(generate({"-n", "0", "-q"}).out, "\n");
}

TEST_F(CommandLineWithModel, AFullContextEndsTheAnswerWell) {
  const auto done = generate({"--context", "20", "-n", "100"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("(the context is full)"), std::string::npos) << done.err;
}

TEST_F(CommandLineWithModel, QuietPrintsTheTextAlone) {
  const auto done = generate({"-n", "3", "-q"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.err, "");
}

TEST_F(CommandLineWithModel, TokenizeAndDecodeAreInverse) {
  const auto ids = run(larql({"tokenize", vindex().string(), "abc zy"}));
  EXPECT_EQ(ids.code, 0) << ids.err;
  EXPECT_EQ(ids.out, "287 262 286 285 284\n"); // "ab" is a merge
  const auto text = run(larql({"tokenize", vindex().string(), "--decode", "287 262 286 285 284"}));
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.out, "abc zy\n");
  EXPECT_EQ(run(larql({"tokenize", vindex().string(), "--bos", "a"})).out, "2 260\n");
}

TEST_F(CommandLineWithModel, InspectDescribesTheModel) {
  const auto done = run(larql({"inspect", vindex().string()}));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const auto* part :
       {"tiny (gemma4, lossless)", "6 layers", "8 per layer, 3 per token", "Q4_K", "Q8_0", "F32"})
    EXPECT_NE(done.out.find(part), std::string::npos) << part << "\n" << done.out;
}

TEST_F(CommandLineWithModel, InspectOfASliceSaysHowManyExpertsItHolds) {
  const auto half = (scratch_ / "half").string();
  ASSERT_EQ(run(larql({"slice", vindex().string(), "-o", half, "--preset", "moe-experts",
                       "--experts", "0-3"}))
                .code,
            0);
  const auto done = run(larql({"inspect", half}));
  EXPECT_NE(done.out.find("6 of 6 layers, 4 of 8 experts of "), std::string::npos) << done.out;
  const auto parsed = parse_json_text(run(larql({"inspect", half, "--json"})).out);
  EXPECT_EQ(parsed["expert_bank"]["experts_held"]["most"], 4);
  EXPECT_EQ(parsed["slice"]["holds"], "experts 0-3 of layers 0-5");
}

TEST_F(CommandLineWithModel, InspectNamesTheEncodingOfEveryPartAndWhatIsAbsent) {
  const auto other = (scratch_ / "q4k.vindex").string();
  ASSERT_EQ(run(larql({"extract", gguf().string(), "-o", other, "--quant", "q4k"})).code, 0);
  fs::remove(fs::path{other} / "chat_template.jinja");
  const auto done = run(larql({"inspect", other}));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const auto* part : {"embeddings.bin  F16", "lm_head_q4.bin  Q4_K", "norms.bin  F32",
                           "attn_weights_q4k.bin  Q4_K", "absent  chat_template.jinja"})
    EXPECT_NE(done.out.find(part), std::string::npos) << part << "\n" << done.out;
}

TEST_F(CommandLineWithModel, AnOutputThatCannotBeWrittenIsAFailureThatNamesIt) {
  const auto done =
      run(larql({"logits", vindex().string(), "--ids", "2 5", "-o", "/proc/nowhere"}));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("/proc/nowhere"), std::string::npos) << done.err;
}

} // namespace
} // namespace larql::test
