// Mirrors runtime/grammar/schema.hpp: which values a schema lets through, and what is refused.

#include "tests/runtime/grammar/grammar_testing.hpp"
#include "tests/support/failures.hpp"

namespace larql::grammar {
namespace {

using larql::test::fails;
using test::network_of_schema;
using test::schema;

struct values {
  std::string schema;
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

void check(const std::vector<values>& all, value_style style = value_style::json) {
  for (const auto& v : all) {
    auto r = schema(v.schema, style);
    for (const auto& text : v.good)
      EXPECT_TRUE(r.accepts(text)) << v.schema << " should allow " << text;
    for (const auto& text : v.bad)
      EXPECT_FALSE(r.accepts(text)) << v.schema << " should not allow " << text;
  }
}

TEST(Schema, TypesAreFollowed) {
  check({
      {R"({"type":"boolean"})", {"true", "false"}, {"null", "True", "tru", "truee", ""}},
      {R"({"type":"null"})", {"null"}, {"nul", "0"}},
      {R"({"type":"integer"})",
       {"0", "-1", "42", "123456789012345678"},
       {"-0", "01", "1.0", "1e3", "-", "+1", "1234567890123456789"}},
      {R"({"type":"number"})",
       {"0", "-0.5", "1.25", "1e3", "-1.5E-12", "0.0"},
       {".5", "1.", "1e", "01", "1e+", "--1"}},
      {R"({"type":["string","null"]})", {R"("x")", "null"}, {"1"}},
      {R"({"type":"string","nullable":true})", {R"("x")", "null"}, {"1"}},
      {"true", {"1", R"("x")", "[1, 2]", R"({"a": {"b": []}})", "null"}, {"[1,]", "{a:1}"}},
      {"{}", {"1", "[[[]]]", "{}"}, {"[", "}"}},
  });
}

TEST(Schema, StringsAreJsonStrings) {
  check({{R"({"type":"string"})",
          {R"("")", R"("a b")", R"("é € 😊")", R"("\"\\\/\b\f\n\r\t")", R"("\u00e9")",
           R"("\ud83d\ude0a")"},
          {R"(")", R"("a)", "\"\n\"", R"("\x")", R"("\ud83d")", R"("\ude0a")", R"("\u12g4")",
           "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\""}}});
}

TEST(Schema, LengthsCountCharacters) {
  check({
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("äöü")", R"("😊😊")", R"("\n\u00e9")", R"("\ud83d\ude0aa")"},
       {R"("a")", R"("abcd")", R"("")", R"("\ud83d\ude0a")"}},
      {R"({"type":"string","maxLength":0})", {R"("")"}, {R"("a")"}},
      {R"({"type":"string","minLength":2})", {R"("ab")", R"("abcdefgh")"}, {R"("a")"}},
  });
  const auto long_text = std::string(1000, 'x');
  auto r = schema(R"({"type":"string","minLength":1000,"maxLength":1000})");
  EXPECT_TRUE(r.accepts("\"" + long_text + "\""));
  EXPECT_FALSE(r.accepts("\"" + long_text + "x\""));
  EXPECT_FALSE(r.accepts("\"" + long_text.substr(1) + "\""));
}

TEST(Schema, FieldsComeInTheirOrder) {
  check({
      {R"({"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"string"}},
           "required":["b","a"],"additionalProperties":false})",
       {R"({"b":1,"a":"x"})", R"({"b": 1, "a": "x"})", "{\n  \"b\": 1,\n  \"a\": \"x\"\n}"},
       {R"({"a":"x","b":1})", R"({"b":1})", R"({"b":1,"a":"x",})", R"({"b":1 ,"a":"x"})", "{}",
        R"({"b":1,"a":"x","c":1})", R"({"b":1,"b":1,"a":"x"})"}},
      {R"({"type":"object","properties":{"a":{},"b":{},"c":{}},"required":["b"]})",
       {R"({"b":1})", R"({"a":1,"b":2})", R"({"b":1,"c":2})", R"({"a":1,"b":2,"c":3})"},
       {"{}", R"({"a":1})", R"({"a":1,"c":1})", R"({,"b":1})", R"({"c":1,"b":1})"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{}}})",
       {"{}", "{ }", R"({"a":1})", R"({"b":[]})", R"({"a":1,"b":2})"},
       {R"({"c":1})", R"({"a":"x"})"}},
      {R"({"type":"object"})", {"{}", R"({"x": {"y": 1}, "z": [1, "2"]})"}, {"[]", "{x:1}"}},
      {R"({"required":["a"]})", {R"({"a":1})"}, {"{}", "1"}},
  });
}

TEST(Schema, OtherFieldsComeBehindThoseThatAreDeclared) {
  check({
      {R"({"type":"object","properties":{"ab":{"type":"integer"},"ü":{}},"required":["ab"],
           "additionalProperties":{"type":"boolean"}})",
       {R"({"ab":1})", R"({"ab":1,"x":true})", R"({"ab":1,"a":true,"abc":false})",
        R"({"ab":1,"ü":0,"üü":true})"},
       {R"({"x":true,"ab":1})", R"({"ab":1,"x":1})", R"({"ab":1,"ab":true})",
        R"({"ab":1,"ü":true,"ü":true})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})",
       {"{}", R"({"a":1,"b":2})", R"({"":1})"},
       {R"({"a":"x"})"}},
      {R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"a":1})"}},
  });
}

TEST(Schema, ArraysHaveItemsAndBounds) {
  check({
      {R"({"type":"array","items":{"type":"integer"}})",
       {"[]", "[1]", "[1,2, 3]", "[\n  1,\n  2\n]"},
       {"[1,]", "[,1]", "[\"a\"]", "[1 2]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1,2]", "[1,2,3]"},
       {"[]", "[1]", "[1,2,3,4]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":1})", {"[1]", "[1,2,3,4]"}, {"[]"}},
      {R"({"type":"array","maxItems":0})", {"[]", "[ ]"}, {"[1]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,
           "minItems":2})",
       {R"([1,"a"])"},
       {R"([1])", R"([1,"a",2])", "[]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"boolean"}})",
       {"[]", "[1]", "[1,true,false]"},
       {"[true]", "[1,2]"}},
      {R"({"items":{"type":"array","items":{"type":"null"}}})", {"[[null],[]]"}, {"[null]"}},
  });
}

TEST(Schema, NamedValues) {
  check({
      {R"({"enum":["red","green",1,null,true,[1,"x"],{"a":1}]})",
       {R"("red")", R"("green")", "1", "null", "true", R"([1,"x"])", R"({"a":1})"},
       {R"("re")", R"("blue")", "2", "false", "[1]"}},
      {R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"}},
      {R"({"const":"a\"b\n"})", {R"("a\"b\n")"}, {R"("ab")"}},
      {R"({"enum":["a","ab","abc"]})", {R"("a")", R"("ab")", R"("abc")"}, {R"("abcd")"}},
  });
}

TEST(Schema, NumbersHaveBounds) {
  check({
      {R"({"type":"integer","minimum":3,"maximum":117})",
       {"3", "9", "10", "99", "100", "109", "110", "117"},
       {"2", "118", "0", "-3", "200", "1000", "3.0"}},
      {R"({"type":"integer","minimum":-12,"maximum":5})",
       {"-12", "-9", "-1", "0", "5"},
       {"-13", "6", "-0", "-20", "-100", "10"}},
      {R"({"type":"integer","exclusiveMinimum":0})", {"1", "10", "99999"}, {"0", "-1"}},
      {R"({"type":"integer","exclusiveMaximum":0.5})", {"0", "-1", "-99"}, {"1"}},
      {R"({"type":"number","minimum":0,"maximum":1})",
       {"0", "1", "0.5", "0.0", "1.0", "0.999", "1.000"},
       {"1.1", "-0.1", "2", "1.0001", "1e0"}},
      {R"({"type":"number","exclusiveMinimum":0,"exclusiveMaximum":1.5})",
       {"0.1", "1", "1.49", "1.4999", "0.00001"},
       {"0", "0.0", "1.5", "1.50", "1.51", "2"}},
      {R"({"type":"number","minimum":-2.75,"maximum":-1.5})",
       {"-2.75", "-2", "-1.5", "-1.75", "-2.750"},
       {"-1.4", "-2.76", "0", "2", "-3", "-1"}},
      {R"({"type":"number","minimum":0.25})", {"0.25", "0.3", "1", "100.5"}, {"0.2", "0", "-1"}},
      {R"({"type":"integer","multipleOf":1})", {"5"}, {"5.5"}},
  });
}

TEST(Schema, AlternativesAndJoinedSchemas) {
  check({
      {R"({"anyOf":[{"type":"integer"},{"type":"object","properties":{"a":{"type":"null"}},
           "required":["a"]}]})",
       {"1", R"({"a":null})"},
       {"{}", R"("x")"}},
      {R"({"anyOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},
           "required":["k","x"]},{"type":"object","properties":{"k":{"const":"b"},
           "y":{"type":"string"}},"required":["k","y"]}]})",
       {R"({"k":"a","x":1})", R"({"k":"b","y":"s"})"},
       {R"({"k":"a","y":"s"})", R"({"k":"b","x":1})"}},
      {R"({"oneOf":[{"type":"integer"},{"type":"string"}]})", {"1", R"("x")"}, {"null"}},
      {R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},
           {"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
       {R"({"k":"a"})", R"({"k":"b"})"},
       {R"({"k":"c"})"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},
           {"properties":{"b":{"type":"string"}},"required":["b"]}]})",
       {R"({"a":1,"b":"x"})"},
       {R"({"a":1})", R"({"b":"x"})"}},
      {R"({"type":"integer","minimum":1,"allOf":[{"minimum":5},{"maximum":7}]})",
       {"5", "6", "7"},
       {"4", "8"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"}},
           "anyOf":[{"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]})",
       {R"({"a":1})", R"({"a":1,"b":null})", R"({"b":null})"},
       {"{}"}},
  });
}

TEST(Schema, ReferencesMayLeadBack) {
  check({
      {R"({"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},
           "next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"]}},
           "$ref":"#/$defs/node"})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
       {R"({"v":1})", R"({"v":1,"next":1})"}},
      {R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"}},
      {R"({"properties":{"a b":{"type":"integer"},"c":{"$ref":"#/properties/a%20b"}},
           "required":["c"]})",
       {R"({"c":1})"},
       {R"({"c":"x"})"}},
      {R"({"$defs":{"s":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/s","maxLength":1}},
           "required":["a"]})",
       {R"({"a":"x"})"},
       {R"({"a":"xy"})"}},
  });
}

TEST(Schema, PatternsAndFormats) {
  check({
      {R"({"type":"string","pattern":"^[a-c]{2,3}(x|yz)?$"})",
       {R"("ab")", R"("abcx")", R"("aayz")"},
       {R"("a")", R"("abcd")", R"("aby")"}},
      {R"({"type":"string","pattern":"b"})", {R"("abc")", R"("b")", R"("\nb\"")"}, {R"("ac")"}},
      {R"({"type":"string","pattern":"^\"\\\\\n$"})", {R"("\"\\\n")"}, {R"("x")"}},
      {R"({"type":"string","format":"date"})",
       {R"("2026-12-01")", R"("2024-02-29")", R"("1999-12-31")"},
       {R"("2026-13-01")", R"("2026-02-30")", R"("2026-02-29")", R"("2026-04-31")", R"("26-1-1")"}},
      {R"({"type":"string","format":"date-time"})",
       {R"("2026-12-01T10:00:00Z")", R"("2026-12-01T10:00:00.5+01:00")"},
       {R"("2026-12-01")", R"("2026-12-01T25:00:00Z")"}},
      {R"({"type":"string","format":"uuid"})",
       {R"("123e4567-e89b-12d3-a456-426614174000")"},
       {R"("123e4567")"}},
      {R"({"type":"string","format":"email"})", {R"("a.b@c.org")"}, {R"("a@b")", R"("@c.org")"}},
      {R"({"type":"string","format":"ipv4"})", {R"("10.0.255.1")"}, {R"("256.1.1.1")"}},
      {R"({"type":"string","format":"something else"})", {R"("anything")"}, {"1"}},
  });
}

// ---- calls --------------------------------------------------------------------------------------

TEST(Schema, ArgumentsOfCallsAreSortedAndBare) {
  check({{R"({"type":"object","properties":{"unit":{"enum":["c","f"]},"City":{"type":"string"},
              "days":{"type":"array","items":{"type":"integer"}}},
              "required":["City","unit"],"additionalProperties":false})",
          {"{City:<|\"|>Rome \"x\"\n<|\"|>,days:[1,2],unit:<|\"|>c<|\"|>}",
           "{City:<|\"|><|\"|>,unit:<|\"|>f<|\"|>}"},
          {"{unit:<|\"|>c<|\"|>,City:<|\"|>Rome<|\"|>}", "{City:\"Rome\",unit:<|\"|>c<|\"|>}",
           "{City: <|\"|>Rome<|\"|>,unit:<|\"|>c<|\"|>}"}},
         {R"({"type":"object"})",
          {"{}", "{a:1,b:{c:[<|\"|>x<|\"|>,null]}}"},
          {"{\"a\":1}", "{a:1,}", "{:1}"}}},
        value_style::call);
}

// ---- what is refused ----------------------------------------------------------------------------

TEST(Schema, KeywordsThatAreNotSupportedAreNamedWithTheirPlace) {
  const auto refused = [](std::string_view text, std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(fails(network_of_schema(text), errc::unsupported, parts)) << text;
  };
  refused(R"({"properties":{"a":{"not":{}}}})", {"\"not\"", "#/properties/a"});
  refused(R"({"patternProperties":{}})", {"\"patternProperties\""});
  refused(R"({"uniqueItems":true})", {"\"uniqueItems\""});
  refused(R"({"if":{}})", {"\"if\""});
  refused(R"({"type":"number","multipleOf":0.5})", {"multipleOf"});
  refused(R"({"oneOf":[{"type":"number"},{"type":"integer"}]})", {"oneOf", "anyOf"});
  refused("{\"type\":\"string\",\"pattern\":\"(?=x)\"}", {"look-around"});
  refused(R"({"type":"string","pattern":"a\\b"})", {"\\b"});
  refused(R"({"type":"string","pattern":"a","maxLength":3})", {"pattern beside"});
  refused(R"({"$ref":"http://x/y"})", {"$ref"});
  refused(R"({"enum":["a"],"minLength":1})", {"minLength"});
  refused(R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", {"pattern"});
}

TEST(Schema, WhatNoValueCanMeetIsRefused) {
  for (const auto* text :
       {"false", R"({"enum":[]})", R"({"type":"integer","minimum":2,"maximum":1})",
        R"({"type":"object","properties":{"a":false},"required":["a"]})",
        R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
        R"({"type":"array","minItems":3,"maxItems":2})",
        R"({"type":"string","minLength":3,"maxLength":2})", R"({"type":"string","enum":[1]})"})
    EXPECT_TRUE(fails(network_of_schema(text), errc::usage, {"no value can meet"})) << text;
  EXPECT_TRUE(fails(network_of_schema("{"), errc::usage, {"not valid JSON"}));
  EXPECT_TRUE(fails(network_of_schema("5"), errc::usage, {"expected a schema"}));
  EXPECT_TRUE(fails(network_of_schema(R"({"type":"text"})"), errc::usage, {"\"text\""}));
  EXPECT_TRUE(fails(network_of_schema(R"({"$ref":"#/$defs/x"})"), errc::usage, {"not there"}));
}

TEST(Schema, HostileSchemasAreBounded) {
  auto chain = std::string{R"({"$defs":{)"};
  for (auto i = 0; i < 1500; ++i)
    chain += fmt::format(R"("{}":{{"type":"array","items":{{"$ref":"#/$defs/{}"}}}},)", i, i + 1);
  EXPECT_TRUE(fails(network_of_schema(chain + R"("1500":{}},"$ref":"#/$defs/0"})"),
                    errc::unsupported, {"schemas within"}));
  EXPECT_TRUE(fails(network_of_schema(R"({"$ref":"#"})"), errc::unsupported, {"$ref"}));
  EXPECT_TRUE(fails(network_of_schema(R"({"allOf":[{"$ref":"#"}]})"), errc::unsupported, {}));
  EXPECT_TRUE(fails(network_of_schema("{\"type\":\"string\",\"pattern\":\"" + std::string(60, '(') +
                                      std::string(60, ')') + "\"}"),
                    errc::unsupported, {"levels"}));
  EXPECT_TRUE(fails(network_of_schema(R"({"pattern":"((((.{8}){8}){8}){8}){8}"})"),
                    errc::unsupported, {"states"}));
  auto wide = std::string{R"({"properties":{"a":{})"};
  for (auto i = 0; i < 6000; ++i)
    wide += fmt::format(",\"f{}\":{{}}", i);
  EXPECT_TRUE(fails(network_of_schema(wide + "}}"), errc::usage, {"5000 fields"}));
  auto joined = std::string{R"({"properties":{"a":{"const":")"} + std::string(50'000, 'x') +
                R"("}},"anyOf":[{})";
  for (auto i = 0; i < 5000; ++i)
    joined += ",{}";
  EXPECT_TRUE(fails(network_of_schema(joined + "]}"), errc::unsupported, {"joined"}));
  EXPECT_TRUE(
      fails(network_of_schema(std::string(300'000, ' ') + "{}"), errc::unsupported, {"bytes"}));
}

TEST(Schema, NestingEndsWhereItMustNotGoDeeper) {
  auto r = schema(R"({"type":"array","items":{"$ref":"#"}})");
  // However deep it goes, what may come can be ended.
  auto text = std::string{};
  while (r.may_begin(text + "["))
    text += "[";
  EXPECT_GT(text.size(), 60u);
  EXPECT_LT(text.size(), 300u);
  EXPECT_TRUE(r.accepts(text + std::string(text.size(), ']')));
}

} // namespace
} // namespace larql::grammar
