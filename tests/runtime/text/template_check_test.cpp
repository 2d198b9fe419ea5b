// Mirrors runtime/text/template_check.hpp.

#include "runtime/text/template_check.hpp"

#include "tests/support/files.hpp"
#include "tests/support/paths.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

TEST(TemplateCheck, ATemplateThatOnlyArrangesMessagesSaysNothing) {
  const auto demo = test::read_file(test::source_dir() / "tests/demo_model/chat_template.jinja");
  EXPECT_TRUE(what_is_not_rendered(demo).empty());
  for (const auto* harmless : {
           "",
           "{{- '<|turn>' + role + '\\n' }}",
           "{#- Inject Thinking token at the very top of the FIRST system turn -#}",
           "{%- for item in message['content'] if item is not none and item -%}x{%- endfor -%}",
           "{{ raise_exception('Conversation roles must alternate user and assistant') }}",
           "declaration:{{- name -}}{description:<|\"|>{{- text -}}<|\"|>",
           "{{- 'response:' + name + '{value:' -}}",
           "{{- 'not closed",
           "{% set x = 'an escaped \\' quote' %}",
       })
    EXPECT_TRUE(what_is_not_rendered(harmless).empty()) << harmless;
}

TEST(TemplateCheck, ADefaultSystemTextIsQuoted) {
  for (const auto* with_text : {
           "{%- set system = 'You are a helpful assistant.' -%}<|turn>",
           "<|turn>system\nYou are a helpful assistant.<turn|>",
           "{{ messages[0]['content'] if x else \"You are a helpful assistant.\" }}",
       }) {
    const auto found = what_is_not_rendered(with_text);
    ASSERT_EQ(found.size(), 1u) << with_text;
    EXPECT_NE(found[0].find("You are a helpful"), std::string::npos) << found[0];
  }
}

TEST(TemplateCheck, ALongTextIsShortenedBetweenCharacters) {
  auto text = std::string{"Du bist ein hilfsbereiter Assistent "};
  for (auto i = 0; i < 40; ++i)
    text += "\xc3\xbc";
  const auto found = what_is_not_rendered("{{ '" + text + "' }}");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("\xc3\xbc\xe2\x80\xa6"), std::string::npos) << found[0];
}

TEST(TemplateCheck, TheDateIsSaid) {
  const auto found = what_is_not_rendered("{{ strftime_now('%Y') }}");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("date"), std::string::npos) << found[0];
}

} // namespace
} // namespace larql::text
