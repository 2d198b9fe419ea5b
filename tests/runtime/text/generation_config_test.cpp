// Mirrors runtime/text/generation_config.cpp.

#include "runtime/text/generation_config.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"

#include <fstream>

namespace larql::text {
namespace {

using test::pieces;
using test::small_tokenizer_file;
using test::strings;

class GenerationConfig : public testing::Test {
protected:
  result<generation_config> parse(std::string_view text) {
    return parse_generation_config(text, "generation_config.json", tokens);
  }
  void expect_error(std::string_view text, std::string_view field) {
    const auto found = parse(text);
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().code, errc::corrupt);
    EXPECT_NE(found.error().text.find("generation_config.json"), std::string::npos);
    EXPECT_NE(found.error().text.find(field), std::string::npos) << found.error().text;
  }

  tokenizer tokens = small_tokenizer_file{}.parse();
  strings family = {"<eos>", "<turn|>", "<|tool_response>"};
};

TEST_F(GenerationConfig, AnEmptyFileMeansTheDefaults) {
  const auto c = parse("{}");
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_TRUE(c->sample);
  EXPECT_EQ(c->temperature, 1.0);
  EXPECT_EQ(c->top_k, 64u);
  EXPECT_EQ(c->top_p, 0.95);
  EXPECT_EQ(pieces(tokens, c->stop), family);
}

TEST_F(GenerationConfig, ReadsWhatTheFileSays) {
  const auto c = parse(R"({"do_sample": false, "temperature": 0.7, "top_k": 0, "top_p": 1,
                           "eos_token_id": [1, 106, 50], "bos_token_id": 2})");
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_FALSE(c->sample);
  EXPECT_EQ(c->temperature, 0.7);
  EXPECT_EQ(c->top_k, 0u);
  EXPECT_EQ(c->top_p, 1.0);
}

TEST_F(GenerationConfig, StopsAreThoseOfTheFileAndOfTheFamily) {
  const auto stop = [&](std::string_view text) { return parse(text)->stop; };
  EXPECT_EQ(stop(R"({"eos_token_id": 1})"), stop("{}")) << "files that list only one";
  EXPECT_EQ(stop(R"({"eos_token_id": null})"), stop("{}"));
  EXPECT_EQ(stop(R"({"eos_token_id": [0, 1, 1]})"),
            (std::vector{token_id{0}, token_id{1}, *tokens.find("<turn|>"),
                         *tokens.find("<|tool_response>")}));
}

TEST_F(GenerationConfig, WrongValuesAreNamed) {
  expect_error("[]", "expected a JSON object");
  expect_error("{", "not valid JSON");
  expect_error(R"({"temperature": "hot"})", "temperature");
  expect_error(R"({"temperature": -1})", "temperature");
  expect_error(R"({"top_p": 1.5})", "top_p");
  expect_error(R"({"top_k": -1})", "top_k");
  expect_error(R"({"do_sample": 1})", "do_sample");
  expect_error(R"({"eos_token_id": "1"})", "eos_token_id");
  expect_error(R"({"eos_token_id": [1, [2]]})", "eos_token_id");
  expect_error(R"({"suppress_tokens": [1.5]})", "suppress_tokens");
}

TEST_F(GenerationConfig, TokensThatTheTokenizerDoesNotHaveAreLeftOutAndNoted) {
  const auto c = parse(R"({"eos_token_id": [1, 99999, -1], "suppress_tokens": [3, 99998]})");
  ASSERT_TRUE(c) << c.error().text;
  EXPECT_EQ(c->stop, parse("{}")->stop);
  EXPECT_EQ(c->suppress, std::vector<token_id>{3});
  ASSERT_EQ(c->notes.size(), 3u);
  EXPECT_NE(c->notes[0].find("99999"), std::string::npos) << c->notes[0];
  EXPECT_NE(c->notes[0].find("eos_token_id"), std::string::npos) << c->notes[0];
  EXPECT_NE(c->notes[1].find("-1"), std::string::npos) << c->notes[1];
  EXPECT_NE(c->notes[2].find("suppress_tokens"), std::string::npos) << c->notes[2];
}

TEST_F(GenerationConfig, AMissingFileMeansTheDefaults) {
  const auto path = testing::TempDir() + "larql_generation_config_test.json";
  std::filesystem::remove(path);
  const auto missing = read_generation_config(path, tokens);
  ASSERT_TRUE(missing) << missing.error().text;
  EXPECT_EQ(pieces(tokens, missing->stop), family);
  std::ofstream{path} << R"({"top_k": 5})";
  EXPECT_EQ(read_generation_config(path, tokens)->top_k, 5u);
  std::filesystem::remove(path);
}

} // namespace
} // namespace larql::text
