// Mirrors cli/serve/page/page_writer.hpp.

#include "cli/serve/page/page_writer.hpp"

#include "tests/cli/serve/json_check.hpp"
#include "tests/cli/serve/sample_answers.hpp"

namespace larql::serve {
namespace {

using test::is_json;

/// The JSON of each line.
std::vector<ordered_json> lines_of(const std::string& text) {
  auto out = std::vector<ordered_json>{};
  EXPECT_TRUE(text.empty() || text.ends_with('\n')) << text;
  for (auto rest = std::string_view{text}; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    out.push_back(test::json_of(line));
  }
  return out;
}

TEST(PageWriter, WritesALineForEachEvent) {
  auto writer = page_writer{};
  const auto lines = lines_of(test::stream_of(writer, test::plain_answer()));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_TRUE(is_json(lines[0], R"({"progress":{"read":10,"cached":4,"total":10}})"));
  EXPECT_TRUE(is_json(lines[1], R"({"text":"Hel"})"));
  EXPECT_TRUE(is_json(lines[2], R"({"text":"lo"})"));
  const auto& end = lines[3]["end"];
  EXPECT_EQ(end["reason"], "stop");
  EXPECT_EQ(end["usage"]["completion_tokens"], 3);
  EXPECT_EQ(end["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
  EXPECT_EQ(end["timings"]["nodes"], 2);
  EXPECT_EQ(end["timings"]["round_trips"], 30);
  EXPECT_EQ(end["seed"], 7);
}

TEST(PageWriter, TellsExactlyWhyAnAnswerEnded) {
  for (const auto& [reason, name] :
       {std::pair{finish_reason::stop, "stop"}, std::pair{finish_reason::stop_text, "stop_text"},
        std::pair{finish_reason::max_tokens, "max_tokens"},
        std::pair{finish_reason::context_full, "context_full"}}) {
    auto writer = page_writer{};
    EXPECT_EQ(lines_of(test::stream_of(writer, test::plain_answer(reason))).back()["end"]["reason"],
              name);
  }
}

TEST(PageWriter, KeepsThoughtsApartAndShowsCallsAsText) {
  auto writer = page_writer{};
  auto thoughts = std::string{}, text = std::string{};
  for (const auto& line : lines_of(test::stream_of(writer, test::thinking_and_calling()))) {
    if (line.contains("thought"))
      thoughts += line["thought"].get<std::string>();
    if (line.contains("text"))
      text += line["text"].get<std::string>();
  }
  EXPECT_EQ(thoughts, "Look it up.");
  EXPECT_EQ(text, "Moment.\n`weather({\"city\":\"Rome\"})`\n");
}

TEST(PageWriter, EndsWithTheErrorThatEndedTheAnswer) {
  auto writer = page_writer{};
  const auto lines = lines_of(test::stream_of(writer, test::failing_answer()));
  EXPECT_EQ(lines.back()["error"]["message"], "experts 0-63 are away");
}

TEST(PageWriter, TextOfAnyKindStaysOnItsLine) {
  auto writer = page_writer{};
  auto out = std::string{};
  writer.write(text_delta{0, "a\nb\r\u2028\"\x01\xff"}, out);
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 1);
  EXPECT_EQ(lines_of(out).size(), 1u);
}

TEST(PageWriter, TextThatIsEmptyIsNoLine) {
  auto writer = page_writer{};
  auto out = std::string{};
  writer.write(text_delta{0, ""}, out);
  EXPECT_EQ(out, "");
  writer.keep_alive(out);
  EXPECT_EQ(out, "\n");
}

} // namespace
} // namespace larql::serve
