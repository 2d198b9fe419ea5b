// Mirrors cli/serve/openai/responses_request.hpp and responses_writer.hpp.

#include "cli/serve/openai/responses_request.hpp"
#include "cli/serve/openai/responses_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve::openai {
namespace {

using test::events_of;
using test::is_json;
using test::json_of;
using test::stream_of;
using test::taken;
using test::too_many_tools;
using test::whole_of;
using text::chat_role;

responses_request request(std::string_view text) {
  return taken(read_responses_request(json_of(text)), text);
}

TEST(ResponsesRequest, ATextIsAUsersMessage) {
  const auto r = request(R"({"input":"Hi","instructions":"Be brief.","max_output_tokens":16})");
  ASSERT_EQ(r.ask.messages.size(), 2u);
  EXPECT_EQ(r.ask.messages[0].role, chat_role::system);
  EXPECT_EQ(r.ask.messages[1].content, "Hi");
  EXPECT_EQ(r.ask.max_tokens, 16u);
  EXPECT_EQ(r.echo["instructions"], "Be brief.");
  EXPECT_EQ(r.echo["store"], false);
}

TEST(ResponsesRequest, ItemsOfOneTurnBecomeOneMessage) {
  const auto r = request(R"({"input":[
      {"role":"user","content":[{"type":"input_text","text":"Rome?"}]},
      {"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"look"}]},
      {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Moment."}]},
      {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"city\":\"Rome\"}"},
      {"type":"function_call_output","call_id":"c1","output":"sunny"},
      {"type":"message","role":"assistant","content":"Sunny."},
      {"role":"user","content":"Thanks"}]})");
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 5u);
  EXPECT_EQ(m[0].parts, (std::vector<std::string>{"Rome?"}));
  EXPECT_EQ(m[1].role, chat_role::model);
  EXPECT_EQ(m[1].reasoning, "look");
  EXPECT_EQ(m[1].content, "Moment.");
  ASSERT_EQ(m[1].tool_calls.size(), 1u);
  EXPECT_EQ(m[1].tool_calls[0].id, "c1");
  EXPECT_EQ(m[2].role, chat_role::tool);
  EXPECT_EQ(m[2].tool_call_id, "c1");
  EXPECT_EQ(m[2].content, "sunny");
  EXPECT_EQ(m[3].content, "Sunny.");
}

TEST(ResponsesRequest, TooManyToolsAreRefused) {
  const auto read = read_responses_request(json_of(
      R"({"input":"Hi","tools":)" + too_many_tools(R"({"type":"function","name":"f"})") + "}"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "has 1025 tools, at most 1024 are taken");
}

TEST(ResponsesRequest, ToolsAndFormatsStandFlat) {
  const auto r = request(R"({"input":"x","stream":true,
      "tools":[{"type":"function","name":"now","parameters":{"type":"object","properties":{"z":{}}}}],
      "tool_choice":{"type":"function","name":"now"},
      "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"}}},
      "reasoning":{"effort":"low"},"include":["message.output_text.logprobs"],"top_logprobs":2})");
  EXPECT_TRUE(r.stream);
  ASSERT_EQ(r.ask.rules.tools.size(), 1u);
  EXPECT_EQ(r.ask.rules.only_tool, "now");
  EXPECT_EQ(r.ask.rules.schema, R"({"type":"object"})");
  EXPECT_EQ(r.ask.thinking, true);
  EXPECT_TRUE(r.ask.logprobs);
  EXPECT_EQ(r.ask.top_logprobs, 2u);
}

TEST(ResponsesRequest, WhateverRefersToStoredStateIsRefused) {
  for (const auto& [body, param] :
       {std::pair{R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id"},
        std::pair{R"({"input":"x","conversation":"c"})", "conversation"},
        std::pair{R"({"input":"x","background":true})", "background"},
        std::pair{R"({"input":"x","truncation":"auto"})", "truncation"},
        std::pair{R"({"input":[{"type":"item_reference","id":"x"}]})", "input[0].type"},
        std::pair{R"({"input":"x","tools":[{"type":"web_search"}]})", "tools[0].type"},
        std::pair{R"({})", "input"}, std::pair{R"({"input":[]})", "input"},
        std::pair{R"({"input":[{"type":"reasoning","summary":[]}]})", "input"},
        std::pair{R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})",
                  "input[0].content[0].type"}}) {
    const auto read = read_responses_request(json_of(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().param, param) << body;
    EXPECT_EQ(status_of(read.error().kind), 400u);
  }
}

responses_writer writer(bool stream) {
  return {test::identity(), {stream, false, request(R"({"input":"x"})").echo}};
}

TEST(ResponsesWriter, AWholeAnswerIsAListOfItems) {
  const auto whole = whole_of(writer(false), test::thinking_and_calling());
  EXPECT_EQ(whole["id"], "resp_abc");
  EXPECT_EQ(whole["status"], "completed");
  EXPECT_TRUE(is_json(whole["output"], R"([
      {"id":"rs_abc_0","type":"reasoning","summary":[],"status":"completed",
       "content":[{"type":"reasoning_text","text":"Look it up."}]},
      {"id":"msg_abc_1","type":"message","status":"completed","role":"assistant",
       "content":[{"type":"output_text","text":"Moment.","annotations":[],"logprobs":[]}]},
      {"id":"fc_abc_2","type":"function_call","status":"completed","call_id":"call_1",
       "name":"weather","arguments":"{\"city\":\"Rome\"}"}])"));
  EXPECT_TRUE(
      is_json(whole["usage"], R"({"input_tokens":10,"input_tokens_details":{"cached_tokens":4},
      "output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":13})"));
  EXPECT_EQ(whole["tool_choice"], "auto");
}

TEST(ResponsesWriter, AnAnswerThatWasCutIsIncomplete) {
  const auto whole = whole_of(writer(false), test::plain_answer(finish_reason::max_tokens));
  EXPECT_EQ(whole["status"], "incomplete");
  EXPECT_EQ(whole["incomplete_details"]["reason"], "max_output_tokens");
}

std::string names_of(const std::vector<test::sse_event>& events) {
  auto out = std::string{};
  for (const auto& e : events)
    out += (e.name.empty() ? e.data : e.name) + "\n";
  return out;
}

TEST(ResponsesWriter, AStreamTellsHowEachItemGrows) {
  auto w = writer(true);
  const auto events = events_of(stream_of(w, test::thinking_and_calling()));
  EXPECT_EQ(names_of(events), "response.created\n"
                              "response.in_progress\n"
                              "response.output_item.added\n"
                              "response.content_part.added\n"
                              "response.reasoning_text.delta\n"
                              "response.reasoning_text.delta\n"
                              "response.reasoning_text.done\n"
                              "response.content_part.done\n"
                              "response.output_item.done\n"
                              "response.output_item.added\n"
                              "response.content_part.added\n"
                              "response.output_text.delta\n"
                              "response.output_text.done\n"
                              "response.content_part.done\n"
                              "response.output_item.done\n"
                              "response.output_item.added\n"
                              "response.function_call_arguments.delta\n"
                              "response.function_call_arguments.delta\n"
                              "response.function_call_arguments.done\n"
                              "response.output_item.done\n"
                              "response.completed\n"
                              "[DONE]\n");
  for (auto i = std::size_t{0}; i + 1 < events.size(); ++i) {
    const auto data = json_of(events[i].data);
    EXPECT_EQ(data["type"], events[i].name);
    EXPECT_EQ(data["sequence_number"], i);
  }
  EXPECT_TRUE(is_json(json_of(events[11].data),
                      R"({"type":"response.output_text.delta","sequence_number":11,
                          "item_id":"msg_abc_1","output_index":1,"content_index":0,
                          "delta":"Moment.","logprobs":[]})"));
  EXPECT_TRUE(is_json(json_of(events[18].data),
                      R"({"type":"response.function_call_arguments.done","sequence_number":18,
                          "item_id":"fc_abc_2","output_index":2,"name":"weather",
                          "arguments":"{\"city\":\"Rome\"}"})"));
  // The last event has what a whole answer would be.
  const auto whole = whole_of(writer(false), test::thinking_and_calling());
  EXPECT_TRUE(is_json(json_of(events[20].data)["response"], whole.dump()));
}

TEST(ResponsesWriter, ALaterErrorHasItsOwnEvents) {
  auto w = writer(true);
  const auto events = events_of(stream_of(w, test::failing_answer()));
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back().name, "response.failed");
  const auto response = json_of(events.back().data)["response"];
  EXPECT_EQ(response["status"], "failed");
  EXPECT_EQ(response["error"]["message"], "experts 0-63 are away");
  EXPECT_NE(names_of(events).find("\nerror\n"), std::string::npos);
}

TEST(ResponsesWriter, AnAnswerWithoutAWordIsStillAMessage) {
  auto w = writer(true);
  const auto events =
      events_of(stream_of(w, {choice_end{0, finish_reason::stop, {}}, test::end_of_answer()}));
  ASSERT_GE(events.size(), 3u);
  const auto last = json_of(events[events.size() - 2].data);
  ASSERT_EQ(last["response"]["output"].size(), 1u);
  EXPECT_EQ(last["response"]["output"][0]["content"][0]["text"], "");
}

} // namespace
} // namespace larql::serve::openai
