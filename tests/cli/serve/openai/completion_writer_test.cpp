// Mirrors cli/serve/openai/completion_writer.hpp.

#include "cli/serve/openai/completion_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve::openai {
namespace {

using test::events_of;
using test::is_json;
using test::json_of;
using test::stream_of;
using test::whole_of;

TEST(CompletionWriter, AWholeAnswer) {
  const auto whole = whole_of(completion_writer{test::identity(), {}}, test::plain_answer());
  EXPECT_EQ(whole["id"], "cmpl-abc");
  EXPECT_EQ(whole["object"], "text_completion");
  EXPECT_TRUE(is_json(whole["choices"],
                      R"([{"text":"Hello","index":0,"logprobs":null,"finish_reason":"stop"}])"));
  EXPECT_EQ(whole["usage"]["total_tokens"], 13);
}

TEST(CompletionWriter, AStreamHasNoRoles) {
  auto w = completion_writer{test::identity(), {true, true, false}};
  const auto events = events_of(stream_of(w, test::plain_answer()));
  ASSERT_EQ(events.size(), 5u);
  EXPECT_TRUE(is_json(json_of(events[0].data)["choices"],
                      R"([{"text":"Hel","index":0,"logprobs":null,"finish_reason":null}])"));
  EXPECT_TRUE(is_json(json_of(events[2].data)["choices"],
                      R"([{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}])"));
  EXPECT_TRUE(is_json(json_of(events[3].data)["choices"], "[]"));
  EXPECT_EQ(json_of(events[3].data)["usage"]["prompt_tokens"], 10);
  EXPECT_EQ(events[4].data, "[DONE]");
}

TEST(CompletionWriter, LogprobsAreListsSideBySide) {
  const auto a = token_logprobs{{"He", -1.0f}, {{"He", -1.0f}, {"Ha", -2.0f}}};
  const auto b = token_logprobs{{"y", -0.25f}, {}};
  const auto whole = whole_of(completion_writer{test::identity(), {false, false, true}},
                              {text_delta{0, "He", {a}}, text_delta{0, "y", {b}},
                               choice_end{0, finish_reason::stop, {}}, test::end_of_answer()});
  constexpr auto expected =
      R"({"tokens":["He","y"],"token_logprobs":[-1.0,-0.25],
          "top_logprobs":[{"He":-1.0,"Ha":-2.0},{}],"text_offset":[0,2]})";
  EXPECT_TRUE(is_json(whole["choices"][0]["logprobs"], expected));
  // In a stream the offsets go on from chunk to chunk.
  auto w = completion_writer{test::identity(), {true, false, true}};
  const auto events = events_of(stream_of(w, {text_delta{0, "He", {a}}, text_delta{0, "y", {b}}}));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(is_json(json_of(events[1].data)["choices"][0]["logprobs"]["text_offset"], "[2]"));
}

} // namespace
} // namespace larql::serve::openai
