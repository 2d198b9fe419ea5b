// Mirrors runtime/text/output_reader.hpp and call_arguments.hpp.

#include "runtime/text/output_reader.hpp"

#include "tests/runtime/text/chat_tokenizer.hpp"

#include <random>

namespace larql::text {
namespace {

const tokenizer& tokens() {
  static const auto t = test::chat_tokenizer();
  return t;
}

std::vector<token_id> encode(std::string_view text) {
  return *tokens().encode(text, false, control_text::becomes_tokens);
}

// "T:" thoughts, "C:" content, "name(json)" a call that has ended, "name(json" one that has not.
std::string shown(const std::vector<output_event>& events) {
  auto out = std::string{};
  auto last = std::optional<output_event::kind>{};
  for (const auto& e : events) {
    using kind = output_event::kind;
    switch (e.what) {
    case kind::content: out += last != kind::content ? " C:" + e.text : e.text; break;
    case kind::thought: out += last != kind::thought ? " T:" + e.text : e.text; break;
    case kind::call_begin: out += fmt::format(" {}#{}(", e.text, e.call); break;
    case kind::call_arguments: out += e.text; break;
    case kind::call_end: out += ")"; break;
    }
    last = e.what;
  }
  return out.empty() ? out : out.substr(1);
}

std::string read(std::string_view text, bool in_thought = false) {
  auto reader = output_reader{tokens(), in_thought};
  auto events = std::vector<output_event>{};
  reader.append(encode(text), events);
  reader.finish(events);
  return shown(events);
}

TEST(OutputReader, TellsThoughtsFromContent) {
  EXPECT_EQ(read("hello"), "C:hello");
  EXPECT_EQ(read("<|channel>thought\nhm\nhm\n<channel|>hello"), "T:hm\nhm C:hello");
  EXPECT_EQ(read("<|channel>thought\n<channel|>hello"), "C:hello");
  EXPECT_EQ(read("<|channel>thought<channel|>hello"), "C:hello");
  EXPECT_EQ(read("<|channel>thought\nhm\n\n<channel|>a"), "T:hm\n C:a");
  EXPECT_EQ(read("<|channel>analysis\nhm<channel|>a"), "T:hm C:a");
  EXPECT_EQ(read("<|channel>no name, but a line\nhm<channel|>a"), "T:no name, but a line\nhm C:a");
  EXPECT_EQ(read("a<|channel>thought\nb\n<channel|>c"), "C:a T:b C:c");
}

TEST(OutputReader, AThoughtThatThePromptOpenedIsOne) {
  EXPECT_EQ(read("hm\n<channel|>a", true), "T:hm C:a");
  EXPECT_EQ(read("hm", true), "T:hm");
}

TEST(OutputReader, AChannelMayBeOpenAtTheEnd) {
  EXPECT_EQ(read("<|channel>thought\nhm"), "T:hm");
  EXPECT_EQ(read("<|channel>thought\nhm\n"), "T:hm");
  EXPECT_EQ(read("<|channel>thou"), "");
  EXPECT_EQ(read("<|channel>"), "");
}

TEST(OutputReader, ControlWordsInPlainTextStayText) {
  auto events = std::vector<output_event>{};
  auto reader = output_reader{tokens()};
  const auto text =
      std::string{"a <|channel>thought\nb<channel|> <|tool_call>call:f{}<tool_call|>"};
  reader.append(*tokens().encode(text, false, control_text::stays_text), events);
  reader.finish(events);
  EXPECT_EQ(shown(events), "C:" + text);
}

TEST(OutputReader, NoControlTokenShows) {
  EXPECT_EQ(read("a<|think|>b<turn|>c<eos>d<channel|>e<tool_call|>f"), "C:abcdef");
  EXPECT_EQ(read("a<turn|>\n<|turn>model\nb"), "C:a\nb");
  EXPECT_EQ(read("say <|\"|>x<|\"|>"), "C:say \"x\"");
  EXPECT_EQ(read("a<|tool_response>response:f{x:1}<tool_response|>b"), "C:ab");
}

TEST(OutputReader, CallsBecomeJson) {
  EXPECT_EQ(read("<|tool_call>call:f{}<tool_call|>"), "f#0({})");
  EXPECT_EQ(read("<|tool_call>call:get_weather{city:<|\"|>Rome<|\"|>,n:1}<tool_call|>"),
            R"(get_weather#0({"city":"Rome","n":1}))");
  EXPECT_EQ(
      read("<|tool_call>call:book{n:2,tags:[<|\"|>x<|\"|>,<|\"|>y z<|\"|>],vip:false,"
           "who:{age:null,name:<|\"|>Ann \"A\"<|\"|>}}<tool_call|>"),
      R"(book#0({"n":2,"tags":["x","y z"],"vip":false,"who":{"age":null,"name":"Ann \"A\""}}))");
  EXPECT_EQ(read("<|tool_call>call:f{a:<|\"|>{x:[1],}\n\\<|\"|>}<tool_call|>"),
            R"(f#0({"a":"{x:[1],}\n\\"}))");
  EXPECT_EQ(read("<|tool_call>call:f{a:-1.5e3,b:true,c:[],d:{}}<tool_call|>"),
            R"(f#0({"a":-1.5e3,"b":true,"c":[],"d":{}}))");
}

TEST(OutputReader, SeveralCallsAreCounted) {
  EXPECT_EQ(read("<|channel>thought\nhm\n<channel|>look: <|tool_call>call:f{}<tool_call|>"
                 "<|tool_call>call:g{x:[{y:1},{y:2}]}<tool_call|>"),
            R"(T:hm C:look:  f#0({}) g#1({"x":[{"y":1},{"y":2}]}))");
}

TEST(OutputReader, WhatTheModelWritesOddlyStillIsJson) {
  EXPECT_EQ(read("<|tool_call>call:f{city:Rome in may,x:None,y:007,z:True}<tool_call|>"),
            R"(f#0({"city":"Rome in may","x":null,"y":"007","z":true}))");
  EXPECT_EQ(read("<|tool_call>call:f{\"a\":\"b\\n\\u00e9\\ud83d\\ude0a\\q\",\"c\":1}<tool_call|>"),
            "f#0({\"a\":\"b\\n\u00e9\U0001f60a\\\\q\",\"c\":1})");
  EXPECT_EQ(read("<|tool_call>call:f{<|\"|>a<|\"|>:<|\"|>b<|\"|>}<tool_call|>"),
            R"(f#0({"a":"b"}))");
  EXPECT_EQ(read("<|tool_call>call:f{a:[1,{b:2<tool_call|>"), R"(f#0({"a":[1,{"b":2}]}))");
  EXPECT_EQ(read("<|tool_call>call:f{a:<|\"|>x<tool_call|>y"), R"(f#0({"a":"x"}) C:y)");
  EXPECT_EQ(read("<|tool_call>call:f{a,b:,c:[1,,2,]}<tool_call|>"),
            R"(f#0({"a":null,"b":null,"c":[1,2]}))");
  EXPECT_EQ(read("<|tool_call>call:f{a:1}}} junk<tool_call|>x"), R"(f#0({"a":1}) C:x)");
  EXPECT_EQ(read("<|tool_call>call:f<tool_call|>"), "f#0({})");
  EXPECT_EQ(read("<|tool_call>call:f{a:1<|tool_call>call:g{}<tool_call|>"),
            R"(f#0({"a":1}) g#1({}))");
}

TEST(OutputReader, WhatIsNoCallIsContent) {
  EXPECT_EQ(read("<|tool_call>hello {x}<tool_call|>y"), "C:hello {x}y");
  EXPECT_EQ(read("<|tool_call>{\"name\":1}<tool_call|>"), "C:{\"name\":1}");
}

TEST(OutputReader, ACallMayBeOpenAtTheEnd) {
  EXPECT_EQ(read("<|tool_call>call:f{a:<|\"|>xy"), R"(f#0({"a":"xy)");
  EXPECT_EQ(read("<|tool_call>call:f{a:12"), R"(f#0({"a":)");
  EXPECT_EQ(read("<|tool_call>call:f"), "");
}

// ---- token by token -----------------------------------------------------------------------------

const std::vector<std::string>& outputs() {
  static const auto all = std::vector<std::string>{
      "<|channel>thought\nhm hm\n<channel|>so:\n<|tool_call>call:f{a:<|\"|>x \u00e9 "
      "y<|\"|>,b:[1,{c:"
      "null}]}<tool_call|><|tool_call>call:g{}<tool_call|>",
      "plain \u20ac text\n\n", "<|channel>thought\nnever ends"};
  return all;
}

TEST(OutputReader, TokensMayComeSeveralAtATime) {
  auto random = std::mt19937{1};
  for (const auto& text : outputs()) {
    const auto all = encode(text);
    for (auto round = 0; round < 20; ++round) {
      auto reader = output_reader{tokens()};
      auto events = std::vector<output_event>{};
      for (auto at = std::size_t{0}; at < all.size();) {
        const auto n = std::min<std::size_t>(1 + random() % 4, all.size() - at);
        reader.append(std::span{all}.subspan(at, n), events);
        at += n;
      }
      reader.finish(events);
      EXPECT_EQ(shown(events), read(text));
    }
  }
}

TEST(OutputReader, EventsOfTokensAreThoseOfTheWhole) {
  for (const auto& text : outputs()) {
    auto reader = output_reader{tokens()};
    auto joined = std::vector<output_event>{};
    for (const auto token : encode(text)) {
      auto events = std::vector<output_event>{};
      reader.append(token, events);
      joined.insert(joined.end(), events.begin(), events.end());
    }
    reader.finish(joined);
    EXPECT_EQ(shown(joined), read(text));
  }
}

TEST(OutputReader, ACopyGoesOnByItself) {
  auto a = output_reader{tokens()};
  auto events = std::vector<output_event>{};
  a.append(encode("<|tool_call>call:f{a:<|\"|>x"), events);
  auto b = a;
  EXPECT_EQ(a, b);
  auto of_b = events;
  b.append(encode("y<|\"|>}<tool_call|>"), of_b);
  EXPECT_NE(a, b);
  a.append(encode("z<|\"|>}<tool_call|>"), events);
  EXPECT_EQ(shown(events), R"(f#0({"a":"xz"}))");
  EXPECT_EQ(shown(of_b), R"(f#0({"a":"xy"}))");
}

TEST(OutputReader, CountsThoughtsAndTellsWhatTokensBelongTo) {
  auto reader = output_reader{tokens()};
  auto events = std::vector<output_event>{};
  auto parts = std::string{};
  for (const auto token :
       encode("<|channel>thought\na\n<channel|>b<|tool_call>call:f{}<tool_call|>c")) {
    reader.append(token, events);
    parts += reader.part() == output_part::thought ? 'T'
             : reader.part() == output_part::call  ? 'c'
                                                   : '.';
  }
  EXPECT_EQ(parts, "TTTTTTTTTTTT.cccccccccc.");
  EXPECT_EQ(reader.thought_tokens(), 12u);
  EXPECT_EQ(reader.calls(), 1u);
}

TEST(OutputReader, ArgumentsOfAnyTokensAreValidJson) {
  auto random = std::mt19937{7};
  const auto pieces =
      std::vector<std::string>{"<|\"|>", "{",    "}", "[", "]", ",", ":",  "\"",     "\\",
                               "u",      "d800", "a", "1", " ", "-", "\n", "\u00e9", "true"};
  for (auto round = 0; round < 3000; ++round) {
    auto text = std::string{"<|tool_call>call:f{"};
    for (auto n = random() % 30; n > 0; --n)
      text += pieces[random() % pieces.size()];
    auto reader = output_reader{tokens()};
    auto events = std::vector<output_event>{};
    reader.append(encode(text + "<tool_call|>"), events);
    auto json = std::string{};
    for (const auto& e : events)
      if (e.what == output_event::kind::call_arguments)
        json += e.text;
    ASSERT_TRUE(nlohmann::json::accept(json)) << text << " became " << json;
    ASSERT_EQ(events.back().what, output_event::kind::call_end);
  }
}

} // namespace
} // namespace larql::text
