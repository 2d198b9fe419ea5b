// Mirrors cli/serve/anthropic/messages_request.hpp and messages_writer.hpp.

#include "cli/serve/anthropic/messages_request.hpp"
#include "cli/serve/anthropic/messages_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve::anthropic {
namespace {

using test::events_of;
using test::is_json;
using test::json_of;
using test::stream_of;
using test::taken;
using test::too_many_tools;
using test::whole_of;
using text::chat_role;

messages_request request(std::string_view text) {
  return taken(read_messages_request(json_of(text)), text);
}

TEST(MessagesRequest, ASystemTextAndBlocks) {
  const auto r = request(R"({"model":"any","max_tokens":100,"temperature":0.5,"top_k":3,
      "stop_sequences":["END"],"stream":true,
      "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
      "messages":[{"role":"user","content":"Hi"},
                  {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},
                                                  {"type":"redacted_thinking","data":"x"},
                                                  {"type":"text","text":"Hello."}]},
                  {"role":"user","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]}]})");
  EXPECT_TRUE(r.stream);
  EXPECT_EQ(r.ask.max_tokens, 100u);
  EXPECT_EQ(r.ask.stops, (std::vector<std::string>{"END"}));
  EXPECT_EQ(r.ask.sampling.top_k, 3u);
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 4u);
  EXPECT_EQ(m[0].role, chat_role::system);
  EXPECT_EQ(m[0].content, "Be brief.");
  EXPECT_EQ(m[2].reasoning, "hm");
  EXPECT_EQ(m[2].content, "Hello.");
  EXPECT_EQ(m[3].parts, (std::vector<std::string>{"A", "B"}));
}

TEST(MessagesRequest, AnAgentsAccountingBlockIsLeftOutOfThePrompt) {
  const auto with = [](std::string_view number) {
    return request(fmt::format(R"({{"max_tokens":1,"system":[
        {{"type":"text","text":"x-anthropic-billing-header: cch={};"}},
        {{"type":"text","text":"You are an agent."}}],
        "messages":[{{"role":"user","content":"Hi"}}]}})",
                               number));
  };
  EXPECT_EQ(with("1").ask.messages[0].content, "You are an agent.");
  EXPECT_EQ(with("2").ask.messages.size(), 2u);
}

TEST(MessagesRequest, UsesOfToolsAndTheirResults) {
  const auto r = request(R"({"max_tokens":1,"messages":[
      {"role":"user","content":"Rome?"},
      {"role":"assistant","content":[{"type":"text","text":"Moment."},
        {"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Rome"}},
        {"type":"tool_use","id":"toolu_2","name":"now","input":{}}]},
      {"role":"user","content":[
        {"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"sunny"}]},
        {"type":"tool_result","tool_use_id":"toolu_2","content":"broken","is_error":true},
        {"type":"text","text":"And tomorrow?"}]}]})");
  const auto& m = r.ask.messages;
  ASSERT_EQ(m.size(), 5u);
  ASSERT_EQ(m[1].tool_calls.size(), 2u);
  EXPECT_EQ(m[1].tool_calls[0].arguments, R"({"city":"Rome"})");
  EXPECT_EQ(m[2].role, chat_role::tool);
  EXPECT_EQ(m[2].tool_call_id, "toolu_1");
  EXPECT_EQ(m[2].content, "sunny");
  EXPECT_EQ(m[3].content, "Error: broken");
  EXPECT_EQ(m[4].role, chat_role::user);
  EXPECT_EQ(m[4].content, "And tomorrow?");
}

TEST(MessagesRequest, ToolsTheirChoiceAndThinking) {
  const auto r = request(R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}],
      "tools":[{"name":"now","description":"The time.","input_schema":{"type":"object","properties":{}}}],
      "tool_choice":{"type":"tool","name":"now","disable_parallel_tool_use":true},
      "thinking":{"type":"enabled","budget_tokens":1024}})");
  ASSERT_EQ(r.ask.rules.tools.size(), 1u);
  EXPECT_EQ(r.ask.rules.tools[0].name, "now");
  EXPECT_EQ(r.ask.rules.choice, grammar::tool_choice::required);
  EXPECT_EQ(r.ask.rules.only_tool, "now");
  EXPECT_FALSE(r.ask.rules.parallel_calls);
  EXPECT_EQ(r.ask.thinking, true);
  EXPECT_EQ(r.ask.rules.thought_budget, 1024u);
}

TEST(MessagesRequest, TooManyToolsAreRefused) {
  const auto read = read_messages_request(
      json_of(R"({"max_tokens":1,"messages":[{"role":"user","content":"Hi"}],"tools":)" +
              too_many_tools(R"({"name":"f"})") + "}"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "has 1025 tools, at most 1024 are taken");
}

TEST(MessagesRequest, FieldsOfBetasAreIgnoredAndToolsOfTheProviderRefused) {
  EXPECT_EQ(request(R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}],"metadata":{},
      "context_management":{"edits":[]},"service_tier":"auto","betas":["x"]})")
                .ask.messages.size(),
            1u);
  for (
      const auto& [body, param] :
      {std::pair{R"({"messages":[]})", "messages"},
       std::pair{R"({"messages":[{"role":"robot","content":"x"}]})", "messages[0].role"},
       std::pair{R"({"messages":[{"role":"user","content":[{"type":"image"}]}]})",
                 "messages[0].content[0].type"},
       std::pair{R"({"messages":[{"role":"user","content":[{"type":"document"}]}]})",
                 "messages[0].content[0].type"},
       std::pair{R"({"messages":[{"role":"user","content":[{"type":"tool_result"}]}]})",
                 "messages[0].content[0].tool_use_id"},
       std::pair{
           R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"bash_20250124","name":"bash"}]})",
           "tools[0].type"},
       std::pair{R"({"messages":[{"role":"user","content":"x"}],"mcp_servers":[{"url":"x"}]})",
                 "mcp_servers"},
       std::pair{R"({"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"any"}})",
                 "tool_choice.type"},
       std::pair{R"({"messages":[{"role":"user","content":"x"}],"thinking":{"type":"some"}})",
                 "thinking.type"},
       std::pair{R"({"messages":[{"role":"assistant","content":[]}]})", "messages"}}) {
    const auto read = read_messages_request(json_of(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().param, param) << body;
  }
}

TEST(MessagesWriter, AWholeAnswer) {
  const auto whole = whole_of(messages_writer{test::identity(), false}, test::plain_answer());
  // Cached tokens do not count among the input's.
  EXPECT_TRUE(is_json(whole, R"({"id":"msg_abc","type":"message","role":"assistant",
      "model":"gemma4","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn",
      "stop_sequence":null,"usage":{"input_tokens":6,"cache_creation_input_tokens":0,
      "cache_read_input_tokens":4,"output_tokens":3}})"));
}

TEST(MessagesWriter, AWholeAnswerWithThoughtsAndUsesOfTools) {
  const auto whole =
      whole_of(messages_writer{test::identity(), false}, test::thinking_and_calling());
  EXPECT_TRUE(is_json(whole["content"], R"([
      {"type":"thinking","thinking":"Look it up.","signature":"larql"},
      {"type":"text","text":"Moment."},
      {"type":"tool_use","id":"call_1","name":"weather","input":{"city":"Rome"}}])"));
  EXPECT_EQ(whole["stop_reason"], "tool_use");
}

TEST(MessagesWriter, ReasonsToStopHaveTheirNames) {
  for (const auto& [reason, name] :
       {std::pair{finish_reason::max_tokens, "max_tokens"},
        std::pair{finish_reason::context_full, "model_context_window_exceeded"},
        std::pair{finish_reason::stop_text, "stop_sequence"}})
    EXPECT_EQ(whole_of(messages_writer{test::identity(), false},
                       test::plain_answer(reason))["stop_reason"],
              name);
  const auto stopped = whole_of(
      messages_writer{test::identity(), false},
      {text_delta{0, "x"}, choice_end{0, finish_reason::stop_text, "END"}, test::end_of_answer()});
  EXPECT_EQ(stopped["stop_sequence"], "END");
}

TEST(MessagesWriter, AStreamOfBlocks) {
  auto w = messages_writer{test::identity(), true};
  const auto events = events_of(stream_of(w, test::thinking_and_calling()));
  auto names = std::string{};
  for (const auto& e : events) {
    names += e.name + "\n";
    EXPECT_EQ(json_of(e.data)["type"], e.name);
  }
  EXPECT_EQ(names, "message_start\n"
                   "ping\n"
                   "content_block_start\n"
                   "content_block_delta\n"
                   "content_block_delta\n"
                   "content_block_delta\n" // the signature
                   "content_block_stop\n"
                   "content_block_start\n"
                   "content_block_delta\n"
                   "content_block_stop\n"
                   "content_block_start\n"
                   "content_block_delta\n"
                   "content_block_delta\n"
                   "content_block_stop\n"
                   "message_delta\n"
                   "message_stop\n");
  ASSERT_EQ(events.size(), 16u);
  EXPECT_TRUE(is_json(json_of(events[0].data), R"({"type":"message_start","message":{
      "id":"msg_abc","type":"message","role":"assistant","model":"gemma4","content":[],
      "stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":6,
      "cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":0}}})"));
  EXPECT_TRUE(is_json(json_of(events[2].data), R"({"type":"content_block_start","index":0,
      "content_block":{"type":"thinking","thinking":"","signature":""}})"));
  EXPECT_TRUE(is_json(json_of(events[3].data), R"({"type":"content_block_delta","index":0,
      "delta":{"type":"thinking_delta","thinking":"Look "}})"));
  EXPECT_TRUE(is_json(json_of(events[8].data), R"({"type":"content_block_delta","index":1,
      "delta":{"type":"text_delta","text":"Moment."}})"));
  EXPECT_TRUE(is_json(json_of(events[10].data), R"({"type":"content_block_start","index":2,
      "content_block":{"type":"tool_use","id":"call_1","name":"weather","input":{}}})"));
  EXPECT_TRUE(is_json(json_of(events[11].data), R"({"type":"content_block_delta","index":2,
      "delta":{"type":"input_json_delta","partial_json":"{\"city\":"}})"));
  EXPECT_TRUE(is_json(json_of(events[14].data), R"({"type":"message_delta",
      "delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":6,
      "cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":3}})"));
}

TEST(MessagesWriter, WhileAPromptIsReadThereArePings) {
  auto w = messages_writer{test::identity(), true};
  const auto events =
      events_of(stream_of(w, {prompt_progress{0, 0, 512}, prompt_progress{256, 0, 512}}));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].name, "message_start");
  EXPECT_EQ(events[2].name, "ping");
}

TEST(MessagesWriter, ALaterErrorIsTheStreamsErrorEvent) {
  auto w = messages_writer{test::identity(), true};
  const auto events = events_of(stream_of(w, test::failing_answer()));
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().name, "error");
  EXPECT_TRUE(is_json(json_of(events.back().data),
                      R"({"type":"error","error":{"type":"overloaded_error",
                          "message":"experts 0-63 are away"}})"));
}

TEST(MessagesWriter, AnAnswerWithoutAWordHasABlock) {
  auto w = messages_writer{test::identity(), true};
  const auto events =
      events_of(stream_of(w, {choice_end{0, finish_reason::stop, {}}, test::end_of_answer()}));
  ASSERT_EQ(events.size(), 6u); // start, ping, block start, block stop, delta, stop
  EXPECT_EQ(events[2].name, "content_block_start");
}

} // namespace
} // namespace larql::serve::anthropic
