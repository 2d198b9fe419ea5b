// Mirrors cli/serve/openai/requests.hpp: what clients send, and what is told to those that send
// something else.

#include "cli/serve/openai/requests.hpp"

#include "tests/cli/serve/json_check.hpp"

namespace larql::serve::openai {
namespace {

using test::is_json;
using test::json_of;
using test::taken;
using test::too_many_tools;
using text::chat_role;

text_request chat(std::string_view text) {
  return taken(read_chat_request(json_of(text)), text);
}

api_error chat_error(std::string_view text) {
  auto read = read_chat_request(json_of(text));
  if (!read)
    return read.error();
  ADD_FAILURE() << "it was taken: " << text;
  return {};
}

std::string with_message(std::string_view more) {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],{}}})", more);
}

TEST(ChatRequest, MessagesHaveRolesAndContentInSeveralForms) {
  const auto r = chat(R"({"model":"any","messages":[
      {"role":"system","content":"Be brief."},
      {"role":"user","content":[{"type":"text","text":"What is "},{"type":"text","text":"this?"}]},
      {"role":"assistant","content":null},
      {"role":"developer","content":"Late."},
      {"role":"assistant","content":"It is"}]})");
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 5u);
  EXPECT_EQ(m[0].role, chat_role::system);
  EXPECT_EQ(m[0].content, "Be brief.");
  EXPECT_EQ(m[1].parts, (std::vector<std::string>{"What is ", "this?"}));
  EXPECT_EQ(m[2].role, chat_role::model);
  EXPECT_EQ(m[2].content, "");
  EXPECT_EQ(m[3].role, chat_role::system);
  EXPECT_EQ(m[4].content, "It is");
  EXPECT_FALSE(r.stream);
  EXPECT_FALSE(r.ask.max_tokens);
  EXPECT_EQ(r.ask.choices, 1u);
}

TEST(ChatRequest, ToolCallsAndTheirResultsAreKept) {
  const auto r = chat(R"({"messages":[
      {"role":"user","content":"Rome?"},
      {"role":"assistant","content":"","reasoning_content":"I should look","tool_calls":[
        {"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}},
        {"id":"c2","type":"function","function":{"name":"now","arguments":{"zone":1}}}]},
      {"role":"tool","tool_call_id":"c1","content":{"sky":"sunny"}},
      {"role":"tool","tool_call_id":"c2","name":"now","content":[{"type":"text","text":"12:00"}]}]})");
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(m[1].reasoning, "I should look");
  ASSERT_EQ(m[1].tool_calls.size(), 2u);
  EXPECT_EQ(m[1].tool_calls[0].id, "c1");
  EXPECT_EQ(m[1].tool_calls[0].name, "weather");
  EXPECT_EQ(m[1].tool_calls[0].arguments, R"({"city":"Rome"})");
  EXPECT_EQ(m[1].tool_calls[1].arguments, R"({"zone":1})");
  EXPECT_EQ(m[2].tool_call_id, "c1");
  EXPECT_TRUE(m[2].content_is_json);
  EXPECT_EQ(m[2].content, R"({"sky":"sunny"})");
  EXPECT_EQ(m[3].tool_name, "now");
  EXPECT_EQ(m[3].parts, (std::vector<std::string>{"12:00"}));
}

TEST(ChatRequest, TooManyToolsAreRefused) {
  const auto tools = too_many_tools(R"({"type":"function","function":{"name":"f"}})");
  EXPECT_EQ(chat_error(with_message(R"("tools":)" + tools)).message,
            "has 1025 tools, at most 1024 are taken");
}

TEST(ChatRequest, ToolsKeepTheOrderOfTheirSchemas) {
  const auto r = chat(with_message(
      R"("tools":[{"type":"function","function":{"name":"book","description":"Books.","strict":true,
         "parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}}}},
         {"type":"function","function":{"name":"now"}}],
         "tool_choice":{"type":"function","function":{"name":"now"}},"parallel_tool_calls":false)"));
  const auto& rules = r.ask.rules;
  ASSERT_EQ(rules.tools.size(), 2u);
  EXPECT_EQ(rules.tools[0].name, "book");
  EXPECT_EQ(rules.tools[0].description, "Books.");
  EXPECT_TRUE(rules.tools[0].strict);
  EXPECT_EQ(rules.tools[0].parameters,
            R"({"type":"object","properties":{"z":{"type":"string"},"a":{"type":"integer"}}})");
  EXPECT_EQ(rules.tools[1].parameters, "");
  EXPECT_EQ(rules.choice, grammar::tool_choice::required);
  EXPECT_EQ(rules.only_tool, "now");
  EXPECT_FALSE(rules.parallel_calls);
}

TEST(ChatRequest, TheFormOfTheAnswerIsRead) {
  EXPECT_EQ(chat(with_message(R"("response_format":{"type":"text"})")).ask.rules.form,
            grammar::content_form::text);
  const auto object = chat(with_message(R"("response_format":{"type":"json_object"})"));
  EXPECT_EQ(object.ask.rules.form, grammar::content_form::json_object);
  EXPECT_EQ(object.ask.rules.schema, "");
  const auto schema = chat(with_message(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,
         "schema":{"type":"object","properties":{"b":{},"a":{}}}}})"));
  EXPECT_EQ(schema.ask.rules.form, grammar::content_form::json_object);
  EXPECT_EQ(schema.ask.rules.schema, R"({"type":"object","properties":{"b":{},"a":{}}})");
}

TEST(ChatRequest, ThinkingHasManyNames) {
  EXPECT_EQ(chat(with_message(R"("n":1)")).ask.thinking, std::nullopt);
  EXPECT_EQ(chat(with_message(R"("reasoning_effort":"none")")).ask.thinking, false);
  const auto low = chat(with_message(R"("reasoning_effort":"low")"));
  EXPECT_EQ(low.ask.thinking, true);
  EXPECT_EQ(low.ask.rules.thought_budget, 1024u);
  EXPECT_EQ(chat(with_message(R"("reasoning_effort":"high")")).ask.rules.thought_budget,
            std::nullopt);
  EXPECT_EQ(chat(with_message(R"("chat_template_kwargs":{"enable_thinking":true})")).ask.thinking,
            true);
  EXPECT_EQ(chat(with_message(R"("thinking_budget_tokens":0)")).ask.thinking, false);
  EXPECT_EQ(chat(with_message(R"("thinking_budget_tokens":77)")).ask.rules.thought_budget, 77u);
}

TEST(ChatRequest, StreamingAndLogprobsAreRead) {
  const auto r = chat(with_message(
      R"("stream":true,"stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":3,
         "n":2,"stop":["a"],"max_completion_tokens":9)"));
  EXPECT_TRUE(r.stream);
  EXPECT_TRUE(r.include_usage);
  EXPECT_TRUE(r.ask.logprobs);
  EXPECT_EQ(r.ask.top_logprobs, 3u);
  EXPECT_EQ(r.ask.choices, 2u);
  EXPECT_EQ(r.ask.stops, (std::vector<std::string>{"a"}));
  EXPECT_EQ(r.ask.max_tokens, 9u);
}

TEST(ChatRequest, NullsAndUnknownFieldsAreIgnored) {
  const auto r = chat(with_message(
      R"("temperature":null,"stop":null,"tools":null,"tool_choice":null,"response_format":null,
         "logit_bias":null,"user":null,"metadata":{"a":1},"store":true,"service_tier":"auto",
         "prompt_cache_key":"x","something_new":[1,2])"));
  EXPECT_FALSE(r.ask.sampling.temperature);
  EXPECT_TRUE(r.ask.rules.tools.empty());
}

// An agent's accounting line in front of a constant prompt would part every prompt from the last.
TEST(ChatRequest, AnAgentsAccountingLineIsLeftOut) {
  const auto r = chat(R"({"messages":[
      {"role":"system","content":"x-anthropic-billing-header: cch=1;\nBe brief."},
      {"role":"user","content":"Hi"}]})");
  EXPECT_EQ(r.ask.messages[0].content, "Be brief.");
}

TEST(ChatRequest, WhatIsWrongIsNamed) {
  for (
      const auto& [body, param] :
      {std::pair{std::string{R"({})"}, "messages"},
       std::pair{std::string{R"({"messages":[]})"}, "messages"},
       std::pair{std::string{R"({"messages":"Hi"})"}, "messages"},
       std::pair{std::string{R"({"messages":[{"content":"x"}]})"}, "messages[0].role"},
       std::pair{std::string{R"({"messages":[{"role":"robot","content":"x"}]})"},
                 "messages[0].role"},
       std::pair{std::string{R"({"messages":[{"role":"user","content":5}]})"},
                 "messages[0].content"},
       std::pair{std::string{R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})"},
                 "messages[0].content[0].text"},
       std::pair{
           std::string{
               R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})"},
           "messages[0].content[0].type"},
       std::pair{
           std::string{R"({"messages":[{"role":"user","content":[{"type":"input_audio"}]}]})"},
           "messages[0].content[0].type"},
       std::pair{with_message(R"("tools":[{"type":"web_search"}])"), "tools[0].type"},
       std::pair{with_message(R"("tools":[{"type":"function"}])"), "tools[0].function"},
       std::pair{with_message(R"("tools":[{"type":"function","function":{}}])"),
                 "tools[0].function.name"},
       std::pair{with_message(R"("tool_choice":"required")"), "tool_choice"},
       std::pair{with_message(R"("tool_choice":"perhaps")"), "tool_choice"},
       std::pair{with_message(R"("tool_choice":{"type":"function","function":{"name":"x"}})"),
                 "tool_choice"},
       std::pair{with_message(R"("response_format":{"type":"xml"})"), "response_format.type"},
       std::pair{with_message(R"("response_format":{"type":"json_schema"})"),
                 "response_format.json_schema"},
       std::pair{with_message(R"("response_format":{"type":"json_schema","json_schema":{}})"),
                 "response_format.json_schema.schema"},
       std::pair{with_message(R"("top_logprobs":2)"), "top_logprobs"},
       std::pair{with_message(R"("logprobs":true,"top_logprobs":21)"), "top_logprobs"},
       std::pair{with_message(R"("n":0)"), "n"},
       std::pair{with_message(R"("n":65)"), "n"},
       std::pair{with_message(R"("stream":"yes")"), "stream"},
       std::pair{with_message(R"("functions":[{"name":"x"}])"), "functions"},
       std::pair{with_message(R"("modalities":["text","audio"])"), "modalities"},
       std::pair{with_message(R"("web_search_options":{})"), "web_search_options"},
       std::pair{with_message(R"("reasoning_effort":"some")"), "reasoning_effort"}})
    EXPECT_EQ(chat_error(body).param, param) << body;
}

TEST(ChatRequest, ImagesAreToldApartFromMistakes) {
  const auto e = chat_error(
      R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})");
  EXPECT_EQ(e.kind, error_kind::unsupported);
  EXPECT_EQ(e.message, "this model does not take images");
}

// ---- /v1/completions ----------------------------------------------------------------------------

text_request completion_of(std::string_view text) {
  return taken(read_completion_request(json_of(text)), text);
}

TEST(CompletionRequest, PromptsAreTextsOrTokens) {
  const auto one = completion_of(R"({"prompt":"Once"})").ask.prompts;
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].text, "Once");
  EXPECT_EQ(completion_of(R"({"prompt":["a","b"]})").ask.prompts.size(), 2u);
  const auto ids = completion_of(R"({"prompt":[2,105,514]})").ask.prompts;
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids[0].tokens, (std::vector<std::uint32_t>{2, 105, 514}));
  EXPECT_EQ(completion_of(R"({"prompt":[[2],[3,4]]})").ask.prompts.size(), 2u);
}

TEST(CompletionRequest, LogprobsAreANumberOrASwitch) {
  EXPECT_EQ(completion_of(R"({"prompt":"x","logprobs":5})").ask.top_logprobs, 5u);
  EXPECT_TRUE(completion_of(R"({"prompt":"x","logprobs":0})").ask.logprobs);
  EXPECT_TRUE(completion_of(R"({"prompt":"x","logprobs":true})").ask.logprobs);
  EXPECT_FALSE(completion_of(R"({"prompt":"x","logprobs":null})").ask.logprobs);
}

TEST(CompletionRequest, WhatIsNotDoneIsNamed) {
  for (const auto& [body, param] :
       {std::pair{R"({})", "prompt"}, std::pair{R"({"prompt":5})", "prompt"},
        std::pair{R"({"prompt":[]})", "prompt"}, std::pair{R"({"prompt":[-1]})", "prompt"},
        std::pair{R"({"prompt":["a",5]})", "prompt[1]"},
        std::pair{R"({"prompt":"x","suffix":"y"})", "suffix"},
        std::pair{R"({"prompt":"x","echo":true})", "echo"},
        std::pair{R"({"prompt":"x","best_of":3})", "best_of"}}) {
    const auto read = read_completion_request(json_of(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().param, param) << body;
  }
}

} // namespace
} // namespace larql::serve::openai
