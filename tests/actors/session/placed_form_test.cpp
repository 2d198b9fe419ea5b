// Mirrors actors/session/placed_form.hpp.

#include "actors/session/placed_form.hpp"

#include "tests/fuzz/fuzz_tokenizer.hpp"
#include "tests/support/failures.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using test::fails;
using test::succeeds;

const text::tokenizer& tokens() {
  return fuzz::chat_tokenizer();
}

generation_parts parts() {
  return {tokens(), [] { return grammar::constraint_engine::create(tokens(), {3}); },
          static_cast<std::uint32_t>(tokens().size())};
}

generate::generation_options some_options() {
  auto o = generate::generation_options{};
  o.sampling = {0.5f, 40, 0.9f, 0.1f, 77, 1.5f, 0.25f, 0.5f, {{4, -1.0f}, {9, 2.0f}}};
  o.max_tokens = 12;
  o.first_index = 3;
  o.stop_tokens = {1, 3};
  o.stop_texts = {"END", "}}"};
  o.logprobs = 2;
  return o;
}

std::vector<std::uint32_t> ids_of(const std::string& text) {
  const auto encoded = tokens().encode(text, false, text::control_text::stays_text);
  return {encoded->begin(), encoded->end()};
}

TEST(PlacedForm, AGenerationComesBackAsItWas) {
  const auto o = some_options();
  for (const auto& g :
       {generate::generation{o},
        generate::generation{o, text::utf8_stream{tokens(), text::special_tokens::skip}},
        generate::generation{o, text::utf8_stream{tokens(), text::special_tokens::keep}},
        generate::generation{o, text::output_reader{tokens(), false}},
        generate::generation{o, text::output_reader{tokens(), true}}}) {
    const auto back = restore(describe(g), parts());
    ASSERT_TRUE(succeeds(back));
    EXPECT_EQ(*back, g);
  }
}

TEST(PlacedForm, GoesOnBehindTheTokensThatWereGiven) {
  auto here = generate::generation{some_options(), text::utf8_stream{tokens()}};
  auto form = describe(here);
  form.given = ids_of("abf");
  for (const auto t : form.given)
    (void) here.take(t);
  const auto there = restore(form, parts());
  ASSERT_TRUE(succeeds(there));
  EXPECT_EQ(*there, here);
  EXPECT_EQ(there->index(), 3 + form.given.size());
}

TEST(PlacedForm, RulesAreCompiledWhereTheAnswerIsMade) {
  auto rules = grammar::output_rules{};
  rules.form = grammar::content_form::json_object;
  rules.schema = R"({"type":"object","properties":{"f":{"type":"boolean"}},"required":["f"]})";
  auto engine = grammar::constraint_engine::create(tokens(), {3});
  auto o = some_options();
  o.stop_texts.clear();
  o.constraint = *engine->compile(rules);
  const auto g = generate::generation{o, text::output_reader{tokens(), false}};
  const auto form = describe(g);
  ASSERT_TRUE(form.rules);
  EXPECT_EQ(form.rules->schema, rules.schema);
  const auto there = restore(form, parts());
  ASSERT_TRUE(succeeds(there));
  ASSERT_TRUE(there->constraint().rules());
  EXPECT_EQ(*there->constraint().rules(), rules);
}

TEST(PlacedForm, RefusesWhatMakesNoSense) {
  const auto form = describe(generate::generation{some_options()});
  auto hot = form;
  hot.temperature = -1;
  EXPECT_TRUE(fails(restore(hot, parts()), errc::usage, {"temperature"}));
  auto foreign = form;
  foreign.given = {1'000'000};
  EXPECT_TRUE(fails(restore(foreign, parts()), errc::usage, {"outside the vocabulary"}));
  auto biased = form;
  biased.bias_tokens[0] = 1'000'000;
  EXPECT_TRUE(fails(restore(biased, parts()), errc::usage, {"outside the vocabulary"}));
  auto curious = form;
  curious.logprobs = 21;
  EXPECT_TRUE(fails(restore(curious, parts()), errc::usage, {"at most 20"}));
  auto late = form;
  late.given.assign(13, 4);
  EXPECT_TRUE(fails(restore(late, parts()), errc::usage, {"has ended"}));
}

TEST(PlacedForm, AStepWithAnotherTextIsRefused) {
  auto g = generate::generation{some_options(), text::utf8_stream{tokens()}};
  const auto said = ids_of("ab");
  auto step = schema::session_step{0, said, "ab", {}};
  auto same = g;
  EXPECT_TRUE(succeeds(take_step(same, step)));
  step.text = "ba";
  EXPECT_TRUE(fails(take_step(g, step), errc::corrupt, {"another text"}));
}

TEST(PlacedForm, NothingComesBehindAnEnd) {
  auto o = some_options();
  o.max_tokens = 1;
  auto g = generate::generation{o};
  EXPECT_TRUE(
      fails(take_step(g, {0, {4, 5}, "", {}}), errc::corrupt, {"behind the end of its answer"}));
}

TEST(PlacedForm, RefusalsKeepTheirKindAndNumbers) {
  const auto why = refusal{refusal_kind::queue_full, fail(errc::unavailable, "64 wait"), 64, 63,
                           std::chrono::seconds{3}};
  const auto back = refusal_of(wire_of(why));
  EXPECT_EQ(back.kind, why.kind);
  EXPECT_EQ(back.error.text, why.error.text);
  EXPECT_EQ(back.error.code, errc::unavailable);
  EXPECT_EQ(back.found, 64u);
  EXPECT_EQ(back.limit, 63u);
  EXPECT_EQ(back.retry_after.count(), 3);
}

} // namespace
} // namespace larql::actors
