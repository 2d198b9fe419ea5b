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

result<tokenizer_texts> texts_of(const gguf_writer& w, std::uint64_t rows = 1000) {
  const auto text = w.bytes();
  const auto head = parse_gguf(std::as_bytes(std::span{text}), "F");
  EXPECT_TRUE(succeeds(head));
  return tokenizer_files({*head, "F"}, rows);
}

result<std::vector<text_file>> files_of(const gguf_writer& w) {
  LARQL_TRY(auto texts, texts_of(w));
  return std::move(texts.files);
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
    const auto texts = texts_of(good().erase(key));
    ASSERT_TRUE(succeeds(texts));
    EXPECT_TRUE(texts->files.empty());
    // Tokens without merges are half a tokenizer, which is said.
    EXPECT_EQ(texts->notes.size(), std::string_view{key}.ends_with("merges") ? 1u : 0u);
  }
}

TEST(GgufTokenizer, WithoutTypesTheControlTokensAreToldByTheirNames) {
  const auto files = files_of(good().erase("tokenizer.ggml.token_type"));
  ASSERT_TRUE(succeeds(files));
  const auto t = text::tokenizer::parse(content_of(*files, "tokenizer.json"), "tokenizer.json");
  ASSERT_TRUE(succeeds(t));
  for (const auto id : {0u, 1u, 2u, 3u, 9u, 10u, 11u, 12u, 15u})
    EXPECT_TRUE(t->is_special(id)) << tokens[id];
  for (const auto id : {4u, 7u, 13u, 14u, 16u /* a byte */})
    EXPECT_FALSE(t->is_special(id)) << tokens[id];
}

TEST(GgufTokenizer, MoreTokensThanRowsAreRefused) {
  EXPECT_TRUE(succeeds(texts_of(good(), tokens.size())));
  EXPECT_TRUE(fails(texts_of(good(), tokens.size() - 1), errc::mismatch,
                    {"F", "tokenizer.ggml.tokens", "272", "271 rows"}));
}

TEST(GgufTokenizer, AnotherKindOfTokenizerIsRefused) {
  for (const auto* model : {"gpt2", "llama", "bert"})
    EXPECT_TRUE(
        fails(files_of(good().erase("tokenizer.ggml.model").string("tokenizer.ggml.model", model)),
              errc::unsupported, {"F", "tokenizer.ggml.model", model, "gemma4"}));
  EXPECT_TRUE(succeeds(files_of(good().erase("tokenizer.ggml.model"))));
  EXPECT_TRUE(fails(files_of(good().u32("tokenizer.ggml.bos_token_id", 4)), errc::unsupported,
                    {"F", "bos_token_id", "\"a\"", "<bos>"}));
}

TEST(GgufTokenizer, StopTokensThatNoTokenHasAreLeftOutAndNoted) {
  auto w = good();
  w.erase("tokenizer.ggml.eos_token_id").u32("tokenizer.ggml.eos_token_id", 262145);
  w.i32("tokenizer.ggml.eot_token_id", -1);
  const auto texts = texts_of(w);
  ASSERT_TRUE(succeeds(texts));
  const auto g = json::parse(content_of(texts->files, "generation_config.json"));
  EXPECT_EQ(g["eos_token_id"], json({1, 10, 15})); // the family's by name
  ASSERT_EQ(texts->notes.size(), 2u);
  EXPECT_NE(texts->notes[0].find("262145"), std::string::npos) << texts->notes[0];
  EXPECT_NE(texts->notes[1].find("eot_token_id is -1"), std::string::npos) << texts->notes[1];
}

TEST(GgufTokenizer, TokensThatAreNeverToBeChosenTravelAlong) {
  const auto files = files_of(good().i32s("tokenizer.ggml.suppress_tokens", {4, 5, 9000}));
  ASSERT_TRUE(succeeds(files));
  const auto t = text::tokenizer::parse(content_of(*files, "tokenizer.json"), "t");
  const auto g =
      text::parse_generation_config(content_of(*files, "generation_config.json"), "g", *t);
  ASSERT_TRUE(succeeds(g));
  EXPECT_EQ(g->suppress, (std::vector<text::token_id>{4, 5}));
}

TEST(GgufTokenizer, ATopPOfOneAndMoreMeansAll) {
  const auto files =
      files_of(good().erase("general.sampling.top_p").f32("general.sampling.top_p", 1.5f));
  ASSERT_TRUE(succeeds(files));
  EXPECT_EQ(json::parse(content_of(*files, "generation_config.json"))["top_p"], 1.0);
  EXPECT_TRUE(
      fails(files_of(good().erase("general.sampling.top_p").f32("general.sampling.top_p", 0)),
            errc::corrupt, {"F", "top_p", "more than 0"}));
}

TEST(GgufTokenizer, ListsThatDoNotFitTogetherAreNamed) {
  EXPECT_TRUE(fails(
      files_of(good().erase("tokenizer.ggml.token_type").i32s("tokenizer.ggml.token_type", {1, 1})),
      errc::corrupt, {"F", "token_type", "2 entries", "272"}));
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
