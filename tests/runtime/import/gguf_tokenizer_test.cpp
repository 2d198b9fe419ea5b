// Mirrors runtime/import/gguf_tokenizer.hpp: the text files made from metadata are files that the
// text part of this program reads.

#include "runtime/import/gguf_tokenizer.hpp"

#include "runtime/text/generation_config.hpp"
#include "runtime/text/tokenizer.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/gguf_writer.hpp"
#include "tests/support/json_text.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::import {
namespace {

using test::fails;
using test::gguf_writer;
using test::succeeds;

// 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte
const std::pair<const char*, std::int32_t> special[] = {{"<pad>", 3},
                                                        {"<eos>", 1},
                                                        {"<bos>", 3},
                                                        {"<unk>", 2},
                                                        {"a", 1},
                                                        {"b", 1},
                                                        {"ab", 1},
                                                        {"\xe2\x96\x81", 1},
                                                        {"\xe2\x96\x81"
                                                         "ab",
                                                         1},
                                                        {"<|turn>", 3},
                                                        {"<turn|>", 3},
                                                        {"<|channel>", 4},
                                                        {"<channel|>", 4},
                                                        {"\n", 1},
                                                        {"\"quoted\"", 1},
                                                        {"<|tool_response>", 4}};

struct vocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;

  vocabulary() {
    for (const auto& [token, type] : special)
      tokens.emplace_back(token), types.push_back(type);
    for (auto byte = 0; byte < 256; ++byte)
      tokens.push_back(fmt::format("<0x{:02X}>", byte)), types.push_back(6);
  }
};
const auto tokens = vocabulary{}.tokens;
const auto types = vocabulary{}.types;

gguf_writer good() {
  auto w = gguf_writer{};
  w.string("tokenizer.ggml.model", "gemma4")
      .strings("tokenizer.ggml.tokens", tokens)
      .i32s("tokenizer.ggml.token_type", types)
      .strings("tokenizer.ggml.merges", {"a b", "\xe2\x96\x81 ab"})
      .u32("tokenizer.ggml.eos_token_id", 10)
      .string("tokenizer.chat_template", "{{ bos_token }}<|turn>")
      .f32("general.sampling.temp", 1.0f)
      .f32("general.sampling.top_p", 0.95f)
      .i32("general.sampling.top_k", 64);
  return w;
}

result<std::vector<text_file>> files_of(const gguf_writer& w) {
  const auto text = w.bytes();
  const auto head = parse_gguf(std::as_bytes(std::span{text}), "F");
  EXPECT_TRUE(succeeds(head));
  return tokenizer_files({*head, "F"});
}

std::string content_of(const std::vector<text_file>& files, const std::string& name) {
  for (const auto& f : files)
    if (f.name == name)
      return f.content;
  ADD_FAILURE() << name << " is missing";
  return {};
}

TEST(GgufTokenizer, TheTokenizerFileIsOneThatWeRead) {
  const auto files = files_of(good());
  ASSERT_TRUE(succeeds(files));
  ASSERT_EQ(files->size(), 3u);
  const auto t = text::tokenizer::parse(content_of(*files, "tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(succeeds(t));
  EXPECT_EQ(t->size(), tokens.size());
  for (auto id = 0u; id < tokens.size(); ++id)
    EXPECT_EQ(t->piece(id), tokens[id]);
  EXPECT_EQ(t->bos(), 2u);
  const auto encoded = t->encode("ab ab", true, text::control_text::stays_text);
  ASSERT_TRUE(succeeds(encoded));
  EXPECT_EQ(*encoded, (std::vector<text::token_id>{2, 6, 8}));
  EXPECT_EQ(t->decode(*encoded, text::special_tokens::skip), "ab ab");
}

TEST(GgufTokenizer, ControlAndUserDefinedTokensAreAddedTokensByTypeOrByName) {
  const auto files = files_of(good());
  ASSERT_TRUE(succeeds(files));
  const auto t = text::tokenizer::parse(content_of(*files, "tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(succeeds(t));
  for (const auto id : {0u, 1u /* typed as normal */, 2u, 9u, 10u})
    EXPECT_TRUE(t->is_special(id)) << tokens[id];
  for (const auto id : {4u, 7u, 11u /* user-defined */, 13u})
    EXPECT_FALSE(t->is_special(id)) << tokens[id];
  const auto encoded = t->encode("a<|turn>b<|channel>", false, text::control_text::becomes_tokens);
  ASSERT_TRUE(succeeds(encoded));
  EXPECT_EQ(*encoded, (std::vector<text::token_id>{4, 9, 5, 11}));
}

TEST(GgufTokenizer, TheGenerationConfigIsOneThatWeRead) {
  const auto files = files_of(good());
  ASSERT_TRUE(succeeds(files));
  const auto t = text::tokenizer::parse(content_of(*files, "tokenizer.json"), "t");
  const auto g =
      text::parse_generation_config(content_of(*files, "generation_config.json"), "g", *t);
  ASSERT_TRUE(succeeds(g));
  EXPECT_TRUE(g->sample);
  EXPECT_EQ(g->temperature, 1.0);
  EXPECT_EQ(g->top_k, 64u);
  EXPECT_NEAR(g->top_p, 0.95, 1e-6);
  EXPECT_EQ(g->stop,
            (std::vector<text::token_id>{1, 10, 15})); // the key's, and the family's by name
}

TEST(GgufTokenizer, StopTokensAreListedOnceInOrder) {
  const auto files = files_of(good().u32("tokenizer.ggml.eot_token_id", 1));
  ASSERT_TRUE(succeeds(files));
  const auto g = test::parse_json_text(content_of(*files, "generation_config.json"));
  EXPECT_EQ(g["eos_token_id"], json({1, 10, 15}));
}

TEST(GgufTokenizer, TheChatTemplateIsCopied) {
  const auto files = files_of(good());
  EXPECT_EQ(content_of(*files, "chat_template.jinja"), "{{ bos_token }}<|turn>");
}

TEST(GgufTokenizer, AFileWithoutATokenizerGivesNoFiles) {
  for (const auto* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.merges"}) {
    const auto files = files_of(good().erase(key));
    ASSERT_TRUE(succeeds(files));
    EXPECT_TRUE(files->empty());
  }
}

TEST(GgufTokenizer, ListsThatDoNotFitTogetherAreNamed) {
  EXPECT_TRUE(fails(
      files_of(good().erase("tokenizer.ggml.token_type").i32s("tokenizer.ggml.token_type", {1, 1})),
      errc::corrupt, {"F", "token_type", "2 entries", "272"}));
  EXPECT_TRUE(fails(files_of(good().erase("tokenizer.ggml.token_type")), errc::corrupt,
                    {"F", "token_type", "missing"}));
  EXPECT_TRUE(
      fails(files_of(good().erase("tokenizer.ggml.merges").i32s("tokenizer.ggml.merges", {1})),
            errc::corrupt, {"F", "merges", "strings"}));
}

TEST(GgufTokenizer, ATokenThatRepeatsIsNamed) {
  auto repeated = tokens;
  repeated[6] = "a";
  EXPECT_TRUE(fails(
      files_of(good().erase("tokenizer.ggml.tokens").strings("tokenizer.ggml.tokens", repeated)),
      errc::corrupt, {"F", "tokens[6]", "\"a\""}));
}

TEST(GgufTokenizer, MergesAreTwoPartsSplitAtTheFirstSpaceBehindTheFirstByte) {
  for (const auto* merge : {"", "ab", "a ", " ab"})
    EXPECT_TRUE(fails(
        files_of(good().erase("tokenizer.ggml.merges").strings("tokenizer.ggml.merges", {merge})),
        errc::corrupt, {"F", "merges[0]"}))
        << merge;
  const auto files = files_of(
      good().erase("tokenizer.ggml.merges").strings("tokenizer.ggml.merges", {"  b", "a b c"}));
  ASSERT_TRUE(succeeds(files));
  const auto merges =
      test::parse_json_text(content_of(*files, "tokenizer.json"))["model"]["merges"];
  EXPECT_EQ(merges[0], json({" ", "b"}));
  EXPECT_EQ(merges[1], json({"a", "b c"}));
}

TEST(GgufTokenizer, TokensThatAreNotUtf8AreAnError) {
  auto bad = tokens;
  bad[6] = "\xff\xfe";
  EXPECT_TRUE(
      fails(files_of(good().erase("tokenizer.ggml.tokens").strings("tokenizer.ggml.tokens", bad)),
            errc::corrupt, {"F", "tokens", "JSON"}));
}

TEST(GgufTokenizer, SamplingNumbersThatMakeNoSenseAreNamed) {
  for (const auto x : {NAN, INFINITY, -1.0f, 1e30f}) {
    EXPECT_TRUE(
        fails(files_of(good().erase("general.sampling.temp").f32("general.sampling.temp", x)),
              errc::corrupt, {"F", "general.sampling.temp"}))
        << x;
  }
  EXPECT_TRUE(
      fails(files_of(good().erase("general.sampling.top_k").f64("general.sampling.top_k", 1e300)),
            errc::corrupt, {"F", "general.sampling.top_k"}));
  EXPECT_TRUE(
      fails(files_of(good().erase("general.sampling.top_k").string("general.sampling.top_k", "64")),
            errc::corrupt, {"F", "general.sampling.top_k", "number"}));
}

TEST(GgufTokenizer, ANegativeTopKMeansNone) {
  const auto files =
      files_of(good().erase("general.sampling.top_k").i32("general.sampling.top_k", -1));
  ASSERT_TRUE(succeeds(files));
  EXPECT_FALSE(
      test::parse_json_text(content_of(*files, "generation_config.json")).contains("top_k"));
}

} // namespace
} // namespace larql::import
