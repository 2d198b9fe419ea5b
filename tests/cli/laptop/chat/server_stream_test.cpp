// Mirrors cli/laptop/chat/server_stream.hpp and server_request.hpp.

#include "cli/laptop/chat/server_stream.hpp"

#include "cli/laptop/chat/server_request.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace larql::cli {
namespace {

using kind = text::output_event::kind;

constexpr std::string_view whole =
    ": 512 of 4096 prompt tokens\n\n"
    R"(data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null})"
    "\n\n"
    R"(data: {"choices":[{"index":0,"delta":{"reasoning_content":"Hm."}}]})"
    "\r\n\r\n"
    R"(data: {"choices":[{"index":0,"delta":{"content":"Par\u00eds"}}]})"
    "\n\n"
    R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]})"
    "\n\n"
    R"(data: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":12,)"
    R"("prompt_tokens_details":{"cached_tokens":30}},"timings":{"prompt_n":10,"prompt_ms":500,)"
    R"("predicted_per_second":9.5,"nodes":2,"round_trips":360,"sent_bytes":1000,)"
    R"("received_bytes":2000,"draft_n":9,"draft_n_accepted":7}})"
    "\n\ndata: [DONE]\n\n";

struct read_stream {
  std::string text, thoughts;
  std::size_t read = 0, total = 0;
  server_stream stream;

  void add(std::string_view bytes) {
    const auto events = stream.add(bytes);
    ASSERT_TRUE(events) << events.error().text;
    for (const auto& e : *events)
      if (const auto* p = std::get_if<server_progress>(&e)) {
        read = p->read;
        total = p->total;
      } else {
        const auto& said = std::get<text::output_event>(e);
        (said.what == kind::thought ? thoughts : text) += said.text;
      }
  }
};

void expect_the_answer(const read_stream& r) {
  EXPECT_EQ(r.text, "París");
  EXPECT_EQ(r.thoughts, "Hm.");
  EXPECT_EQ(r.read, 512u);
  EXPECT_EQ(r.total, 4096u);
  EXPECT_TRUE(r.stream.is_done());
  EXPECT_EQ(r.stream.finish(), "length");
  const auto& n = r.stream.numbers();
  EXPECT_EQ(n.prompt_tokens, 40u);
  EXPECT_EQ(n.tokens, 12u);
  EXPECT_EQ(n.read_tokens, 10u);
  EXPECT_DOUBLE_EQ(n.tokens_per_second, 9.5);
  EXPECT_EQ(n.nodes, 2u);
  EXPECT_EQ(n.round_trips, 360u);
  EXPECT_EQ(n.sent_bytes, 1000u);
  EXPECT_EQ(n.received_bytes, 2000u);
  ASSERT_TRUE(n.drafts);
  EXPECT_EQ(n.drafts->accepted, 7u);
}

TEST(ServerStream, TellsThoughtsTextProgressAndNumbersApart) {
  auto r = read_stream{};
  r.add(whole);
  expect_the_answer(r);
}

TEST(ServerStream, TakesBytesInWhateverPiecesTheyArrive) {
  auto r = read_stream{};
  for (const auto byte : whole)
    r.add({&byte, 1});
  expect_the_answer(r);
}

TEST(ServerStream, AnErrorInTheStreamEndsIt) {
  auto r = read_stream{};
  r.add(R"(data: {"error":{"message":"experts 8-15 are away","code":null}})"
        "\n\n");
  EXPECT_TRUE(r.stream.is_done());
  ASSERT_TRUE(r.stream.error());
  EXPECT_EQ(r.stream.error()->text, "experts 8-15 are away");
  EXPECT_FALSE(r.stream.error()->too_long);
}

TEST(ServerStream, WhatIsNoJsonIsAnError) {
  auto s = server_stream{};
  EXPECT_FALSE(s.add("data: {\n"));
  auto list = server_stream{};
  EXPECT_FALSE(list.add("data: [1]\n"));
}

TEST(ServerStream, AnAnswerThatEndsInTheMiddleIsNotDone) {
  auto r = read_stream{};
  r.add(whole.substr(0, whole.find("data: [DONE]")));
  EXPECT_FALSE(r.stream.is_done());
}

TEST(ServerStream, KnowsAPromptThatIsTooLong) {
  const auto e =
      read_server_error(R"({"error":{"message":"m","code":"context_length_exceeded","n_ctx":64}})");
  ASSERT_TRUE(e);
  EXPECT_TRUE(e->too_long);
  EXPECT_FALSE(read_server_error("<html>"));
  EXPECT_FALSE(read_server_error("{}"));
}

TEST(ServerRequest, SaysWhatTheFlagsSayAndLeavesTheRestToTheServer) {
  auto flags = answer_flags{};
  auto turn = chat_turn{};
  turn.messages = {{text::chat_role::system, "Be brief."},
                   {text::chat_role::user, "Hi"},
                   {text::chat_role::model, "Hel"}};
  auto plain = nlohmann::json::parse(server_request(turn, flags, "gemma4"));
  EXPECT_EQ(plain["model"], "gemma4");
  EXPECT_EQ(plain["messages"][2]["role"], "assistant");
  EXPECT_EQ(plain["messages"][2]["content"], "Hel");
  EXPECT_EQ(plain["temperature"], 0);
  EXPECT_EQ(plain["stream"], true);
  EXPECT_EQ(plain["chat_template_kwargs"]["enable_thinking"], false);
  for (const auto* key : {"max_tokens", "stop", "top_k", "top_p", "min_p", "repetition_penalty"})
    EXPECT_FALSE(plain.contains(key)) << key;
  flags.max_tokens = 12;
  flags.stop = {"###"};
  flags.top_k = 40;
  flags.thinking = true;
  flags.sampling.repetition_penalty = 1.5f;
  const auto all = nlohmann::json::parse(server_request(turn, flags, "gemma4"));
  EXPECT_EQ(all["max_tokens"], 12);
  EXPECT_EQ(all["stop"][0], "###");
  EXPECT_EQ(all["top_k"], 40);
  EXPECT_EQ(all["repetition_penalty"], 1.5);
  EXPECT_EQ(all["chat_template_kwargs"]["enable_thinking"], true);
}

} // namespace
} // namespace larql::cli
