// Mirrors cli/serve/openai/chat_writer.hpp: answers as clients of chat completions read them.

#include "cli/serve/openai/chat_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve::openai {
namespace {

using test::events_of;
using test::is_json;
using test::json_of;
using test::stream_of;
using test::whole_of;

chat_writer writer(bool stream, bool usage = false, bool logprobs = false) {
  return {test::identity(), {stream, usage, logprobs, 1}};
}

std::string chunk(std::string_view choices, std::string_view more = "") {
  return fmt::format(R"({{"id":"chatcmpl-abc","object":"chat.completion.chunk","created":1795000000,
                          "model":"gemma4","choices":[{}]{}}})",
                     choices, more);
}

constexpr auto timings =
    R"("timings":{"cache_n":4,"prompt_n":6,"prompt_ms":12.0,"prompt_per_token_ms":2.0,
        "prompt_per_second":500.0,"predicted_n":3,"predicted_ms":20.0,
        "predicted_per_token_ms":6.666666666666667,"predicted_per_second":150.0,"queued_ms":1.0,
        "total_ms":40.0,"nodes":2,"round_trips":30,"sent_bytes":100,"received_bytes":200},"seed":7)";
constexpr auto usage =
    R"("usage":{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13,
        "prompt_tokens_details":{"cached_tokens":4},
        "completion_tokens_details":{"reasoning_tokens":1}})";

TEST(ChatWriter, AWholeAnswer) {
  EXPECT_TRUE(
      is_json(whole_of(writer(false), test::plain_answer()),
              fmt::format(R"({{"id":"chatcmpl-abc","object":"chat.completion","created":1795000000,
          "model":"gemma4","choices":[{{"index":0,"message":{{"role":"assistant","content":"Hello",
          "refusal":null}},"logprobs":null,"finish_reason":"stop"}}],{},{}}})",
                          usage, timings)));
}

TEST(ChatWriter, AWholeAnswerWithThoughtsAndCalls) {
  const auto whole = whole_of(writer(false), test::thinking_and_calling());
  EXPECT_TRUE(is_json(whole["choices"][0], R"({"index":0,"message":{"role":"assistant",
      "content":"Moment.","reasoning_content":"Look it up.","refusal":null,
      "tool_calls":[{"id":"call_1","type":"function",
                     "function":{"name":"weather","arguments":"{\"city\":\"Rome\"}"}}]},
      "logprobs":null,"finish_reason":"tool_calls"})"));
}

TEST(ChatWriter, CallsAloneHaveNoContent) {
  const auto whole = whole_of(
      writer(false), {call_begin{0, 0, "c", "now"}, call_arguments{0, 0, "{}"}, call_end{0, 0},
                      choice_end{0, finish_reason::tool_calls, {}}, test::end_of_answer()});
  EXPECT_TRUE(whole["choices"][0]["message"]["content"].is_null());
}

TEST(ChatWriter, AnAnswerThatWasCutHasReasonLength) {
  for (const auto reason : {finish_reason::max_tokens, finish_reason::context_full})
    EXPECT_EQ(whole_of(writer(false), test::plain_answer(reason))["choices"][0]["finish_reason"],
              "length");
  EXPECT_EQ(whole_of(writer(false),
                     test::plain_answer(finish_reason::stop_text))["choices"][0]["finish_reason"],
            "stop");
}

TEST(ChatWriter, AStreamBeginsWithTheRoleAndEndsWithDone) {
  auto w = writer(true);
  const auto events = events_of(stream_of(w, test::plain_answer()));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_TRUE(is_json(json_of(events[0].data),
                      chunk(R"({"index":0,"delta":{"role":"assistant","content":""},
                                "logprobs":null,"finish_reason":null})")));
  EXPECT_TRUE(is_json(json_of(events[1].data), chunk(R"({"index":0,"delta":{"content":"Hel"},
                                                         "logprobs":null,"finish_reason":null})")));
  EXPECT_TRUE(is_json(json_of(events[2].data), chunk(R"({"index":0,"delta":{"content":"lo"},
                                                         "logprobs":null,"finish_reason":null})")));
  EXPECT_TRUE(is_json(json_of(events[3].data),
                      chunk(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})",
                            fmt::format(",{}", timings))));
  EXPECT_EQ(events[4].data, "[DONE]");
}

TEST(ChatWriter, TheUsageComesInAChunkWithoutChoices) {
  auto w = writer(true, true);
  const auto events = events_of(stream_of(w, test::plain_answer()));
  ASSERT_EQ(events.size(), 6u);
  EXPECT_TRUE(is_json(json_of(events[3].data),
                      chunk(R"({"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"})",
                            R"(,"usage":null)")));
  EXPECT_TRUE(is_json(json_of(events[4].data), chunk("", fmt::format(",{},{}", usage, timings))));
  EXPECT_EQ(events[5].data, "[DONE]");
}

TEST(ChatWriter, CallsBeginWithIdTypeAndName) {
  auto w = writer(true);
  const auto events = events_of(stream_of(w, test::thinking_and_calling()));
  ASSERT_EQ(events.size(), 9u);
  const auto delta = [&](std::size_t i) { return json_of(events[i].data)["choices"][0]["delta"]; };
  EXPECT_TRUE(is_json(delta(1), R"({"reasoning_content":"Look "})"));
  EXPECT_TRUE(is_json(delta(3), R"({"content":"Moment."})"));
  EXPECT_TRUE(is_json(delta(4), R"({"tool_calls":[{"index":0,"id":"call_1","type":"function",
                                    "function":{"name":"weather","arguments":""}}]})"));
  EXPECT_TRUE(
      is_json(delta(5), R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]})"));
  EXPECT_EQ(json_of(events[7].data)["choices"][0]["finish_reason"], "tool_calls");
}

TEST(ChatWriter, ALaterErrorIsAnEventAndNotAnEnd) {
  auto w = writer(true);
  const auto events = events_of(stream_of(w, test::failing_answer()));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_TRUE(is_json(json_of(events[2].data),
                      R"({"error":{"message":"experts 0-63 are away","type":"unavailable_error",
                          "param":null,"code":null}})"));
}

TEST(ChatWriter, LogprobsHaveBytesAndAlternatives) {
  const auto token = token_logprobs{{"Hi", -0.5f}, {{"Hi", -0.5f}, {"\xc3", -2.0f}}};
  const auto events = std::vector<completion_event>{
      text_delta{0, "Hi", {token}}, choice_end{0, finish_reason::stop, {}}, test::end_of_answer()};
  constexpr auto expected =
      R"({"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[
          {"token":"Hi","logprob":-0.5,"bytes":[72,105]},
          {"token":"\ufffd","logprob":-2.0,"bytes":[195]}]}],"refusal":null})";
  EXPECT_TRUE(
      is_json(whole_of(writer(false, false, true), events)["choices"][0]["logprobs"], expected));
  auto w = writer(true, false, true);
  const auto stream = events_of(stream_of(w, events));
  ASSERT_GE(stream.size(), 2u);
  EXPECT_TRUE(is_json(json_of(stream[1].data)["choices"][0]["logprobs"], expected));
}

TEST(ChatWriter, SeveralAnswersKeepTheirNumbers) {
  auto w = chat_writer{test::identity(), {true, false, false, 2}};
  const auto events = events_of(
      stream_of(w, {text_delta{1, "b"}, text_delta{0, "a"}, choice_end{1, finish_reason::stop, {}},
                    choice_end{0, finish_reason::max_tokens, {}}, test::end_of_answer()}));
  ASSERT_EQ(events.size(), 7u);
  auto seen = std::string{};
  for (auto i = std::size_t{0}; i < 6; ++i)
    seen += fmt::format("{} ", json_of(events[i].data)["choices"][0]["index"].get<int>());
  EXPECT_EQ(seen, "0 1 1 0 1 0 ");
  EXPECT_FALSE(json_of(events[4].data).contains("seed"));
  EXPECT_EQ(json_of(events[5].data)["seed"], 7);
}

TEST(ChatWriter, CommentsKeepAConnectionAlive) {
  auto w = writer(true);
  auto out = std::string{};
  w.write(prompt_progress{256, 0, 4096}, out);
  EXPECT_EQ(out, ": 256 of 4096 prompt tokens\n\n");
  w.keep_alive(out);
  EXPECT_TRUE(events_of(out).empty());
}

} // namespace
} // namespace larql::serve::openai
