// What four published chat templates make of 47 conversations (tests/golden/chat.json), against the
// renderer: tools, calls and results included.

#include "runtime/base/json.hpp"
#include "runtime/text/chat_template.hpp"
#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

#include <map>

namespace larql::text {
namespace {

struct golden {
  ordered_json cases;
  // By the name of the template and the number of the case; null: the template raises an error.
  std::map<std::pair<std::string, int>, ordered_json> rendered;
};

const golden& file() {
  static const auto out = [] {
    const auto path = test::source_dir() / "tests/golden/chat.json";
    const auto json = *parse_ordered_json(test::read_file(path), path.string());
    auto g = golden{json["cases"], {}};
    for (const auto& r : json["results"])
      g.rendered[{r["template"], r["case"]}] = r["rendered"];
    return g;
  }();
  return out;
}

const std::map<std::string, chat_template>& templates() {
  static const auto out = std::map<std::string, chat_template>{
      {"16k (31B, mid 2026)", {true, true, template_revision::second}},
      {"18k canonical (31B)", {true, true, template_revision::canonical}},
      {"18k canonical (E2B)", {true, false, template_revision::canonical}},
      {"interleaved variant (31B)", {true, true, template_revision::interleaved}}};
  return out;
}

std::string text_of(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

chat_message message_of(const ordered_json& m, const chat_template& form) {
  auto out = chat_message{*parse_chat_role(m["role"].get<std::string>())};
  const auto& content = m["content"];
  out.content_is_json = content.is_object();
  if (content.is_array())
    for (const auto& part : content)
      out.parts.push_back(part["text"]);
  else if (!content.is_null())
    out.content = text_of(content);
  // The interleaved variant knows only one of the two names.
  if (m.contains("reasoning") && form.revision != template_revision::interleaved)
    out.reasoning = m["reasoning"];
  if (m.contains("reasoning_content"))
    out.reasoning = m["reasoning_content"];
  if (m.contains("tool_calls"))
    for (const auto& call : m["tool_calls"])
      out.tool_calls.push_back(
          {call["id"], call["function"]["name"], text_of(call["function"]["arguments"])});
  out.tool_call_id = m.value("tool_call_id", "");
  return out;
}

result<std::string> render(const ordered_json& c, const chat_template& form) {
  auto options = chat_options{};
  options.thinking = c["enable_thinking"];
  options.generation_prompt = c["add_generation_prompt"];
  if (c["tools"].is_array())
    for (const auto& tool : c["tools"]) {
      const auto& f = tool["function"];
      options.tools.push_back({f["name"], f["description"], f["parameters"].dump()});
    }
  auto messages = std::vector<chat_message>{};
  for (const auto& m : c["messages"])
    messages.push_back(message_of(m, form));
  return form.render_text(messages, options);
}

bool has_arguments_as_text(const ordered_json& c) {
  for (const auto& m : c["messages"])
    if (m.contains("tool_calls") && m["tool_calls"][0]["function"]["arguments"].is_string())
      return true;
  return false;
}

TEST(ChatGolden, EveryConversationIsRenderedAsItsTemplateDoes) {
  auto compared = 0;
  for (const auto& [name, form] : templates())
    for (const auto& c : file().cases) {
      const auto& expected = file().rendered.at({name, c["id"]});
      if (expected.is_null() || has_arguments_as_text(c))
        continue;
      const auto found = render(c, form);
      ASSERT_TRUE(found) << found.error().text;
      EXPECT_EQ(*found, expected.get<std::string>()) << name << ", " << c["name"];
      ++compared;
    }
  EXPECT_EQ(compared, 4 * 47 - 3 - 8);
}

// OpenAI's protocol has arguments as JSON text only. A template that is given text writes it with
// its braces doubled, or raises an error; here it means the object.
TEST(ChatGolden, ArgumentsAsTextMeanTheirObject) {
  auto compared = 0;
  for (const auto& [name, form] : templates())
    for (const auto& c : file().cases) {
      if (!has_arguments_as_text(c))
        continue;
      auto with_object = c;
      for (auto& m : with_object["messages"])
        if (m.contains("tool_calls")) {
          auto& arguments = m["tool_calls"][0]["function"]["arguments"];
          arguments = ordered_json::parse(arguments.get<std::string>());
        }
      const auto found = render(c, form), expected = render(with_object, form);
      ASSERT_TRUE(found) << found.error().text;
      EXPECT_EQ(*found, *expected) << name << ", " << c["name"];
      EXPECT_NE(found->find("call:get_weather{city:<|\"|>Rome<|\"|>}<tool_call|>"),
                std::string::npos);
      ++compared;
    }
  EXPECT_EQ(compared, 8);
}

// Three of the templates raise an error for a result that is an object.
TEST(ChatGolden, AResultThatIsAnObjectIsWrittenWithItsFields) {
  for (const auto& [name, form] : templates())
    for (const auto& c : file().cases)
      if (file().rendered.at({name, c["id"]}).is_null() && !has_arguments_as_text(c)) {
        const auto found = render(c, form);
        ASSERT_TRUE(found) << found.error().text;
        EXPECT_TRUE(found->ends_with("<|tool_response>response:get_weather{ok:true,"
                                     "sky:<|\"|>sunny<|\"|>,temp:21}<tool_response|>"))
            << *found;
      }
}

} // namespace
} // namespace larql::text
