// Mirrors cli/serve/ollama: requests.hpp, text_writer.hpp and models.hpp.

#include "cli/serve/ollama/models.hpp"
#include "cli/serve/ollama/requests.hpp"
#include "cli/serve/ollama/text_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve::ollama {
namespace {

using test::is_json;
using test::json_of;
using test::stream_of;
using test::taken;
using test::whole_of;

text_request chat(std::string_view text) {
  return taken(read_chat_request(json_of(text)), text);
}

text_request generate_of(std::string_view text) {
  return taken(read_generate_request(json_of(text)), text);
}

TEST(OllamaChat, OptionsFormatsAndThinkingAreRead) {
  const auto r = chat(R"({"model":"gemma4:26b","messages":[{"role":"user","content":"Hi"}],
      "think":true,"keep_alive":"5m","format":{"type":"object"},
      "options":{"temperature":0.2,"num_predict":7,"num_ctx":4096,"repeat_penalty":1.1,
                 "repeat_last_n":64,"stop":["x"],"seed":3,"num_gpu":1,"mirostat":0}})");
  EXPECT_EQ(r.model, "gemma4:26b");
  EXPECT_TRUE(r.stream);
  EXPECT_FALSE(r.load_only);
  EXPECT_EQ(r.ask.thinking, true);
  EXPECT_EQ(r.ask.rules.schema, R"({"type":"object"})");
  EXPECT_EQ(r.ask.sampling.temperature, 0.2f);
  EXPECT_EQ(r.ask.sampling.repetition_penalty, 1.1f);
  EXPECT_EQ(r.ask.sampling.seed, 3u);
  EXPECT_EQ(r.ask.max_tokens, 7u);
  EXPECT_EQ(r.ask.stops, (std::vector<std::string>{"x"}));
}

TEST(OllamaChat, ToolsCallsAndResults) {
  const auto r = chat(R"({"model":"m","stream":false,"messages":[
      {"role":"user","content":"Rome?"},
      {"role":"assistant","content":"","thinking":"look",
       "tool_calls":[{"function":{"name":"weather","arguments":{"city":"Rome"}}}]},
      {"role":"tool","tool_name":"weather","content":"sunny"}],
      "tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]})");
  EXPECT_FALSE(r.stream);
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 3u);
  EXPECT_EQ(m[1].reasoning, "look");
  EXPECT_EQ(m[1].tool_calls[0].arguments, R"({"city":"Rome"})");
  EXPECT_EQ(m[2].tool_name, "weather");
  EXPECT_EQ(r.ask.rules.tools.size(), 1u);
}

TEST(OllamaChat, WithoutMessagesTheModelIsLoadedOrLetGo) {
  EXPECT_TRUE(chat(R"({"model":"m"})").load_only);
  EXPECT_FALSE(chat(R"({"model":"m"})").unload);
  EXPECT_TRUE(chat(R"({"model":"m","messages":[],"keep_alive":0})").unload);
  EXPECT_TRUE(generate_of(R"({"model":"m","prompt":"","keep_alive":"0s"})").unload);
}

TEST(OllamaGenerate, APromptIsAUsersTurnUnlessItIsRaw) {
  const auto r = generate_of(R"({"model":"m","prompt":"Hi","system":"Be brief.","format":"json"})");
  ASSERT_EQ(r.ask.messages.size(), 2u);
  EXPECT_EQ(r.ask.messages[1].content, "Hi");
  EXPECT_EQ(r.ask.rules.form, grammar::content_form::json_object);
  const auto raw = generate_of(R"({"model":"m","prompt":"Hi","raw":true})");
  EXPECT_TRUE(raw.ask.messages.empty());
  ASSERT_EQ(raw.ask.prompts.size(), 1u);
  EXPECT_EQ(raw.ask.prompts[0].text, "Hi");
}

TEST(OllamaRequests, WhatIsWrongIsNamed) {
  for (const auto& [body, param] :
       {std::pair{R"({"messages":[{"role":"user","content":"x","images":["aGk="]}]})",
                  "messages[0].images"},
        std::pair{R"({"messages":[{"role":"user","content":"x"}],"format":"xml"})", "format"},
        std::pair{R"({"messages":[{"role":"user","content":"x"}],"options":{"mirostat":2}})",
                  "options.mirostat"},
        std::pair{R"({"messages":[{"role":"user","content":"x"}],"options":{"num_ctx":"big"}})",
                  "options.num_ctx"},
        std::pair{R"({"messages":[{"role":"user","content":"x"}],"think":"some"})", "think"},
        std::pair{R"({"messages":[{"role":"user","content":"x"}],"keep_alive":[]})",
                  "keep_alive"}}) {
    const auto read = read_chat_request(json_of(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().param, param) << body;
  }
  for (const auto& [body, param] : {std::pair{R"({"prompt":"x","suffix":"y"})", "suffix"},
                                    std::pair{R"({"prompt":"x","template":"y"})", "template"},
                                    std::pair{R"({"prompt":"x","context":[1]})", "context"},
                                    std::pair{R"({"prompt":"x","images":["a"]})", "images"}}) {
    const auto read = read_generate_request(json_of(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().param, param) << body;
  }
}

std::vector<ordered_json> lines_of(const std::string& text) {
  auto out = std::vector<ordered_json>{};
  auto rest = std::string_view{text};
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    EXPECT_NE(end, std::string_view::npos) << "a line without an end";
    out.push_back(json_of(rest.substr(0, end)));
    rest.remove_prefix(std::min(end, rest.size() - 1) + 1);
  }
  return out;
}

constexpr auto last_fields =
    R"("done":true,"done_reason":"stop","total_duration":40000000,"load_duration":0,
       "prompt_eval_count":10,"prompt_eval_duration":12000000,"eval_count":3,
       "eval_duration":20000000)";

TEST(OllamaWriter, AChatIsALineForEachPiece) {
  auto w = text_writer{test::identity(), endpoint_kind::chat, true, false};
  EXPECT_EQ(w.content_type(), "application/x-ndjson");
  const auto lines = lines_of(stream_of(w, test::plain_answer()));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(is_json(lines[0], R"({"model":"gemma4","created_at":"2026-11-18T11:06:40.250Z",
      "message":{"role":"assistant","content":"Hel"},"done":false})"));
  EXPECT_TRUE(
      is_json(lines[2], fmt::format(R"({{"model":"gemma4","created_at":"2026-11-18T11:06:40.250Z",
      "message":{{"role":"assistant","content":""}},{}}})",
                                    last_fields)));
}

TEST(OllamaWriter, ThoughtsAndWholeCalls) {
  auto w = text_writer{test::identity(), endpoint_kind::chat, true, false};
  const auto lines = lines_of(stream_of(w, test::thinking_and_calling()));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_TRUE(
      is_json(lines[0]["message"], R"({"role":"assistant","content":"","thinking":"Look "})"));
  EXPECT_TRUE(is_json(lines[3]["message"], R"({"role":"assistant","content":"","tool_calls":[
      {"id":"call_1","function":{"index":0,"name":"weather","arguments":{"city":"Rome"}}}]})"));
  const auto whole = whole_of(text_writer{test::identity(), endpoint_kind::chat, false, false},
                              test::thinking_and_calling());
  EXPECT_TRUE(is_json(whole["message"], R"({"role":"assistant","content":"Moment.",
      "thinking":"Look it up.","tool_calls":[{"id":"call_1","function":{"index":0,
      "name":"weather","arguments":{"city":"Rome"}}}]})"));
  EXPECT_EQ(whole["done"], true);
}

TEST(OllamaWriter, AGeneratedTextIsAResponse) {
  const auto whole = whole_of(text_writer{test::identity(), endpoint_kind::generate, false, false},
                              test::plain_answer(finish_reason::max_tokens));
  EXPECT_EQ(whole["response"], "Hello");
  EXPECT_EQ(whole["done_reason"], "length");
  EXPECT_FALSE(whole.contains("message"));
}

TEST(OllamaWriter, ALaterErrorIsALine) {
  auto w = text_writer{test::identity(), endpoint_kind::chat, true, false};
  const auto lines = lines_of(stream_of(w, test::failing_answer()));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(is_json(lines[1], R"({"error":"experts 0-63 are away"})"));
}

TEST(OllamaWriter, LoadingIsAnswered) {
  const auto w = text_writer{test::identity(), endpoint_kind::generate, true, false};
  EXPECT_EQ(w.loaded(false)["done_reason"], "load");
  EXPECT_EQ(w.loaded(true)["done_reason"], "unload");
}

model_facts facts() {
  auto out = model_facts{};
  out.name = "gemma4";
  out.version = "0.1.0";
  out.family = "gemma4";
  out.digest = std::string(64, 'a');
  out.encoding = "Q4_K";
  out.parameters = 25'200'000'000;
  out.size_bytes = 1000;
  out.context = 8192;
  out.created = 1'795'000'000;
  return out;
}

TEST(OllamaModels, TagsNameTheModelAndItsSize) {
  EXPECT_TRUE(
      is_json(tags_json(facts()), fmt::format(R"({{"models":[{{"name":"gemma4","model":"gemma4",
      "modified_at":"2026-11-18T11:06:40.000Z","size":1000,"digest":"{}",
      "details":{{"parent_model":"","format":"vindex","family":"gemma4","families":["gemma4"],
                  "parameter_size":"25.2B","quantization_level":"Q4_K"}}}}]}})",
                                              std::string(64, 'a'))));
}

TEST(OllamaModels, ShowTellsWhatTheModelCanDo) {
  const auto shown = show_json(facts());
  EXPECT_TRUE(is_json(shown["capabilities"], R"(["completion","tools","thinking"])"));
  EXPECT_EQ(shown["model_info"]["gemma4.context_length"], 8192);
}

// Clients refuse servers that are older than what they need.
TEST(OllamaModels, TheVersionIsThatOfTheApi) {
  const auto version = version_json(facts());
  EXPECT_EQ(version["larql"], "0.1.0");
  EXPECT_GE(version["version"].get<std::string>(), "0.12");
}

} // namespace
} // namespace larql::serve::ollama
