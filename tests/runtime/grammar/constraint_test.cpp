// Mirrors runtime/grammar/constraint.hpp: what may come at every place of an output.

#include "runtime/grammar/constraint.hpp"

#include "runtime/text/output_reader.hpp"
#include "tests/runtime/text/chat_tokenizer.hpp"
#include "tests/support/failures.hpp"

#include <algorithm>
#include <random>

namespace larql::grammar {
namespace {

using larql::test::fails;
using text::control_text;
using text::tool_definition;

const text::tokenizer& tokens() {
  static const auto t = text::test::chat_tokenizer();
  return t;
}

std::uint32_t id(std::string_view piece) {
  return *tokens().find(piece);
}

constraint_engine& engine() {
  static const auto e =
      constraint_engine::create(tokens(), {id("<eos>"), id("<turn|>"), id("<|tool_response>")});
  return *e;
}

constraint compiled(const output_rules& rules) {
  auto out = engine().compile(rules);
  EXPECT_TRUE(out) << out.error().text;
  return *std::move(out);
}

output_rules json_rules(std::string schema = "") {
  auto out = output_rules{};
  out.form = content_form::json_object;
  out.schema = std::move(schema);
  return out;
}

// Accepts the tokens of a text; every one must be allowed.
void feed(constraint& c, std::string_view text) {
  const auto ids = tokens().encode(text, false, control_text::becomes_tokens);
  for (const auto token : *ids) {
    const auto mask = c.mask();
    EXPECT_TRUE(mask == nullptr || mask->allows(token)) << tokens().piece(token);
    c.accept(token);
  }
}

bool allows(const constraint& c, std::string_view piece) {
  const auto mask = c.mask();
  return mask == nullptr || mask->allows(id(piece));
}

// The pieces that may come, where they are few.
std::vector<std::string> allowed(const constraint& c) {
  auto out = std::vector<std::string>{};
  const auto mask = c.mask();
  for (auto i = 0u; mask != nullptr && i < tokens().size(); ++i)
    if (mask->allows(i) && !tokens().piece(i).starts_with("<0x"))
      out.emplace_back(tokens().piece(i));
  return out;
}
using pieces = std::vector<std::string>;

TEST(Constraint, WithoutRulesEverythingMayCome) {
  const auto c = compiled({});
  EXPECT_FALSE(c.is_active());
  EXPECT_EQ(c.mask(), nullptr);
  EXPECT_TRUE(c.may_end());
  auto with_tools = output_rules{};
  with_tools.tools = {{"f"}};
  EXPECT_FALSE(compiled(with_tools).is_active()) << "what tools are offered constrains nothing";
}

TEST(Constraint, JsonBeginsAndEndsWithItsBraces) {
  auto c = compiled(json_rules());
  EXPECT_EQ(allowed(c), (pieces{"{", "{\""}));
  EXPECT_FALSE(c.may_end());
  feed(c, "{\"a\":[1,\"");
  EXPECT_TRUE(allows(c, "x"));
  EXPECT_FALSE(allows(c, "<turn|>"));
  EXPECT_FALSE(allows(c, "\n")) << "a line break is escaped in a string";
  feed(c, "x\"]");
  EXPECT_TRUE(allows(c, "}"));
  EXPECT_TRUE(allows(c, "},") == false) << "nothing may follow the object";
  feed(c, "}");
  EXPECT_TRUE(c.may_end());
  EXPECT_EQ(allowed(c), (pieces{"<eos>", "<turn|>", "<|tool_response>"}));
}

TEST(Constraint, TokensThatEndSeveralThingsAreAllowedWhereTheyFit) {
  auto c = compiled(json_rules(R"({"type":"object","properties":{"a":{"type":"object",
      "properties":{"b":{"type":"string"}},"required":["b"],"additionalProperties":false},
      "c":{"type":"integer"}},"required":["a","c"],"additionalProperties":false})"));
  feed(c, "{\"a\":{\"b\":\"x");
  EXPECT_TRUE(allows(c, "\"}"));
  EXPECT_FALSE(allows(c, "\","));
  feed(c, "\"");
  EXPECT_TRUE(allows(c, "},")) << "over two levels";
  feed(c, "},");
  EXPECT_TRUE(allows(c, "\""));
  EXPECT_FALSE(allows(c, "{\""));
}

TEST(Constraint, ThoughtsMayComeFirst) {
  auto rules = json_rules();
  rules.thinking = true;
  auto c = compiled(rules);
  EXPECT_EQ(allowed(c), (pieces{"<|channel>", "{", "{\""}));
  feed(c, "<|channel>thought\nhm { ");
  EXPECT_FALSE(allows(c, "<turn|>")) << "the thought alone is no answer";
  EXPECT_FALSE(allows(c, "<|tool_call>"));
  EXPECT_TRUE(allows(c, "<channel|>"));
  feed(c, "<channel|>");
  EXPECT_EQ(allowed(c), (pieces{"{", "{\""})) << "one thought is enough";
  rules.in_thought = true;
  auto inside = compiled(rules);
  EXPECT_TRUE(allows(inside, "x"));
  EXPECT_TRUE(allows(inside, "<channel|>"));
}

TEST(Constraint, AThoughtEndsWithItsBudget) {
  auto rules = output_rules{};
  rules.thinking = true;
  rules.thought_budget = 3;
  auto c = compiled(rules);
  EXPECT_EQ(c.mask(), nullptr);
  c.accept(id("<|channel>"));
  for (auto i = 0; i < 3; ++i) {
    EXPECT_EQ(c.mask(), nullptr);
    c.accept(id("a"));
  }
  EXPECT_EQ(allowed(c), (pieces{"<channel|>"}));
  c.accept(id("<channel|>"));
  EXPECT_EQ(c.mask(), nullptr);
}

// ---- tools --------------------------------------------------------------------------------------

output_rules with_tools(tool_choice choice, bool strict) {
  auto out = output_rules{};
  out.choice = choice;
  out.tools = {{"get", "",
                R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],
                               "additionalProperties":false})",
                strict},
               {"go", "", "", strict}};
  return out;
}

TEST(Constraint, ACallMayBeRequired) {
  auto c = compiled(with_tools(tool_choice::required, false));
  EXPECT_EQ(allowed(c), (pieces{"<|tool_call>"}));
  feed(c, "<|tool_call>call:g");
  EXPECT_EQ(allowed(c), (pieces{"e", "o"}));
  feed(c, "et{");
  EXPECT_TRUE(allows(c, "x")) << "it is not strict";
  feed(c, "x:[<|\"|>a\nb<|\"|>]}");
  EXPECT_EQ(allowed(c), (pieces{"<tool_call|>"}));
  feed(c, "<tool_call|>");
  EXPECT_TRUE(c.may_end());
  EXPECT_EQ(allowed(c), (pieces{"<eos>", "<turn|>", "<|tool_response>", "<|tool_call>"}));
}

TEST(Constraint, ArgumentsOfStrictToolsFollowTheirSchema) {
  auto c = compiled(with_tools(tool_choice::automatic, true));
  EXPECT_EQ(c.mask(), nullptr) << "text is free";
  feed(c, "let me see <|tool_call>call:get{");
  EXPECT_EQ(allowed(c), (pieces{"n"}));
  feed(c, "n:12}<tool_call|><|tool_call>call:go{");
  EXPECT_EQ(allowed(c), (pieces{"}"}));
  feed(c, "}<tool_call|>");
  EXPECT_TRUE(c.may_end());
}

TEST(Constraint, OneToolMayBeChosenAndCallsForbidden) {
  auto rules = with_tools(tool_choice::required, false);
  rules.only_tool = "go";
  rules.parallel_calls = false;
  auto c = compiled(rules);
  feed(c, "<|tool_call>call:g");
  EXPECT_EQ(allowed(c), (pieces{"o"}));
  feed(c, "o{}<tool_call|>");
  EXPECT_FALSE(allows(c, "<|tool_call>"));
  const auto none = compiled(with_tools(tool_choice::none, false));
  EXPECT_FALSE(allows(none, "<|tool_call>"));
  EXPECT_TRUE(allows(none, "x"));
  EXPECT_TRUE(allows(none, "<turn|>"));
}

TEST(Constraint, JsonOrACall) {
  auto rules = with_tools(tool_choice::automatic, true);
  rules.form = content_form::json_object;
  const auto c = compiled(rules);
  EXPECT_EQ(allowed(c), (pieces{"<|tool_call>", "{", "{\""}));
  auto content = c, call = c;
  feed(content, "{\"a\":1}");
  EXPECT_FALSE(allows(content, "<|tool_call>"));
  feed(call, "<|tool_call>call:go{}<tool_call|>");
  EXPECT_TRUE(call.may_end());
}

TEST(Constraint, RulesThatMakeNoSenseAreRefused) {
  auto rules = output_rules{};
  rules.choice = tool_choice::required;
  EXPECT_TRUE(fails(engine().compile(rules), errc::usage, {"there is none"}));
  rules.tools = {{"f"}};
  rules.only_tool = "g";
  EXPECT_TRUE(fails(engine().compile(rules), errc::usage, {"\"g\""}));
  EXPECT_TRUE(fails(engine().compile(json_rules(R"({"not":{}})")), errc::unsupported,
                    {"the schema at #", "\"not\""}));
  auto tool = output_rules{};
  tool.tools = {{"f", "", R"({"type":"object","minProperties":1})", true}};
  EXPECT_TRUE(fails(engine().compile(tool), errc::unsupported, {"tool \"f\"", "minProperties"}));
}

// ---- as values ----------------------------------------------------------------------------------

TEST(Constraint, ACopyGoesOnByItself) {
  auto a = compiled(json_rules());
  feed(a, "{\"a");
  auto b = a;
  EXPECT_EQ(a, b);
  feed(b, "\":1}");
  EXPECT_NE(a, b);
  EXPECT_TRUE(b.may_end());
  EXPECT_FALSE(a.may_end());
  feed(a, "\":1}");
  EXPECT_EQ(a, b);
}

TEST(Constraint, WhatIsNotAllowedEndsTheConstraint) {
  auto c = compiled(json_rules());
  c.accept(id("x"));
  EXPECT_EQ(c.mask(), nullptr);
  EXPECT_TRUE(c.may_end());
}

TEST(Constraint, EqualRulesAreCompiledOnce) {
  EXPECT_EQ(compiled(json_rules("{\"type\":\"object\"}")),
            compiled(json_rules("{\"type\":\"object\"}")));
  EXPECT_NE(compiled(json_rules("{\"type\":\"object\"}")),
            compiled(json_rules("{\"type\":\"array\"}")));
}

TEST(Constraint, MasksStayWithinTheirBytes) {
  const auto small = constraint_engine::create(tokens(), {id("<eos>")}, {.mask_bytes = 4000});
  auto c = *small->compile(json_rules());
  const auto ids =
      tokens().encode("{\"a\":{\"b\":[1,2,{\"c\":true}]}}", false, control_text::becomes_tokens);
  for (const auto token : *ids) {
    EXPECT_TRUE(c.mask()->allows(token));
    c.accept(token);
    EXPECT_LE(small->mask_bytes(), 4000u);
  }
  EXPECT_TRUE(c.may_end());
}

// ---- whatever a model does ----------------------------------------------------------------------

// Takes tokens that are allowed at random, rather those that end something.
std::string wander(constraint c, std::mt19937& random) {
  auto out = std::string{};
  for (auto n = 0; n < 4000; ++n) {
    const auto mask = c.mask();
    if (mask == nullptr)
      return "not constrained";
    if (c.may_end() && random() % 2 == 0)
      return out;
    auto choices = std::vector<std::uint32_t>{};
    for (auto i = 0u; i < tokens().size(); ++i)
      if (mask->allows(i))
        choices.push_back(i);
    if (choices.empty())
      return "nothing is allowed";
    auto token = choices[random() % choices.size()];
    for (const auto i : choices) {
      const auto piece = tokens().piece(i);
      if (random() % 3 == 0 && (piece == "\"" || piece == "}" || piece == "]"))
        token = i;
    }
    if (token == id("<eos>") || token == id("<turn|>") || token == id("<|tool_response>"))
      return out;
    tokens().append_bytes(token, text::special_tokens::keep, out);
    c.accept(token);
  }
  return "no end";
}

TEST(Constraint, WhateverIsChosenIsValid) {
  auto random = std::mt19937{3};
  for (const auto* schema :
       {"", R"({"type":"array","items":{"type":"object","properties":{"a":{"type":"string",
            "maxLength":5},"b":{"enum":[1,"x",null]},"c":{"type":"number","minimum":-1,"maximum":1}},
            "required":["b"]},"maxItems":4})",
        R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"v":{"type":"string",
            "pattern":"^[a-z]+[0-9]?$"},"kids":{"type":"array","items":{"$ref":"#/$defs/t"}}},
            "required":["v","kids"],"additionalProperties":{"type":"boolean"}}}})"}) {
    const auto c = compiled(json_rules(schema));
    for (auto i = 0; i < 60; ++i) {
      const auto text = wander(c, random);
      ASSERT_TRUE(nlohmann::json::accept(text)) << schema << ": " << text;
    }
  }
}

} // namespace
} // namespace larql::grammar
