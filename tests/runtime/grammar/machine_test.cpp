// Mirrors runtime/grammar/machine.hpp: states as values, and what is forgotten.

#include "tests/runtime/grammar/grammar_testing.hpp"

#include <random>

namespace larql::grammar {
namespace {

std::shared_ptr<const network> shared_schema(std::string_view text) {
  return std::make_shared<const network>(*test::network_of_schema(text));
}

place read(machine& m, std::string_view text) {
  auto at = m.start();
  for (const auto c : text)
    at = m.leave(m.next(m.enter(at), static_cast<unsigned char>(c)));
  return at;
}

constexpr auto tree = R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{
    "v":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":3}},
    "required":["v","kids"]}}})";

TEST(Machine, APlaceDoesNotDependOnWhatWasSeenBefore) {
  const auto net = shared_schema(tree);
  auto fresh = machine{net}, used = machine{net};
  (void) read(used, R"({"v":"x","kids":[{"v":"y","kids":[{"v":"z","kids":[]}]}]})");
  const auto text = R"({"v":"a","kids":[{"v":"b","kids":[]},{"v":"c)";
  EXPECT_EQ(read(fresh, text), read(used, text));
  used.reset();
  EXPECT_EQ(read(fresh, text), read(used, text));
}

// A step that was made serves all symbols that the same edges take, and no others.
TEST(Machine, AStepDoesNotDependOnThoseThatWereMadeBeforeIt) {
  const auto net = shared_schema(R"({"anyOf":[{"type":"integer","minimum":-7,"maximum":413},
      {"type":"string","pattern":"^([a-fA-F0-9]{2}|[é-ø]+|x.y)*$"},{"enum":["a-","ab",[1,2]]},
      {"type":"object","properties":{"a":{},"ab":{"type":"boolean"}}}]})");
  auto forwards = machine{net}, backwards = machine{net};
  for (const auto* text :
       {"", "\"", "\"a", "\"x", "\"\xc3", "[", "-", "4", "{", "{\"a", "{\"ab\":"}) {
    const auto at = read(forwards, text);
    ASSERT_FALSE(at.positions.empty()) << text;
    auto found = std::vector<place>(symbol_count);
    for (auto s = 0u; s < symbol_count; ++s)
      found[s] = forwards.leave(forwards.next(forwards.enter(at), static_cast<symbol>(s)));
    for (auto s = symbol_count; s-- > 0;)
      EXPECT_EQ(backwards.leave(backwards.next(backwards.enter(at), static_cast<symbol>(s))),
                found[s])
          << text << " and symbol " << s;
    for (auto s = 0u; s < symbol_count; ++s) {
      auto fresh = machine{net};
      EXPECT_EQ(fresh.leave(fresh.next(fresh.enter(at), static_cast<symbol>(s))), found[s])
          << text << " and symbol " << s;
    }
  }
}

TEST(Machine, APlaceIsTakenUpByAnotherMachine) {
  const auto net = shared_schema(tree);
  auto a = machine{net}, b = machine{net};
  auto at = read(a, R"({"v":"a","kids":[)");
  for (const auto c : std::string_view{R"({"v":"b","kids":[]}]})"})
    at = b.leave(b.next(b.enter(at), static_cast<unsigned char>(c)));
  EXPECT_TRUE(a.accepts(a.enter(at)));
}

TEST(Machine, NothingFollowsADeadState) {
  auto m = machine{shared_schema(tree)};
  const auto dead = read(m, "[");
  EXPECT_TRUE(dead.positions.empty());
  EXPECT_EQ(m.enter(dead), machine::dead);
  EXPECT_EQ(m.next(machine::dead, 'x'), machine::dead);
  EXPECT_FALSE(m.accepts(machine::dead));
}

// What texts of at most `reach` symbols can tell apart stays apart.
TEST(Machine, NearPlacesAreAsGoodForShortTexts) {
  constexpr auto reach = 4u;
  const auto net = shared_schema(R"({"type":"string","minLength":40,"maxLength":60})");
  auto m = machine{net};
  auto random = std::mt19937{5};
  auto distinct = std::vector<place>{};
  for (auto length = 0u; length <= 60; ++length) {
    const auto at = read(m, "\"" + std::string(length, 'x'));
    const auto close = near(at, *net, reach);
    if (std::find(distinct.begin(), distinct.end(), close) == distinct.end())
      distinct.push_back(close);
    for (auto round = 0; round < 30; ++round) {
      auto text = std::string{};
      for (auto n = random() % (reach + 1); n > 0; --n)
        text += random() % 4 == 0 ? '"' : 'x';
      auto s = m.enter(at), t = m.enter(close);
      for (const auto c : text) {
        s = m.next(s, static_cast<unsigned char>(c));
        t = m.next(t, static_cast<unsigned char>(c));
        EXPECT_EQ(s == machine::dead, t == machine::dead) << length << " " << text;
      }
      EXPECT_EQ(m.accepts(s), m.accepts(t)) << length << " " << text;
    }
  }
  EXPECT_LT(distinct.size(), 15u);
}

TEST(Machine, TextThatComesBackIsKnown) {
  auto m = machine{shared_schema(R"({"type":"object","properties":{"a":{"type":"string"},
      "b":{"type":"string","maxLength":10}},"required":["a","b"]})")};
  const auto text = [&](std::string_view upto, std::uint32_t reach) {
    return m.text(m.enter(read(m, upto)), reach);
  };
  EXPECT_EQ(text(R"({"a":)", 5), text_kind::none);
  EXPECT_EQ(text(R"({"a":"xy)", 1000), text_kind::json);
  EXPECT_EQ(text(R"({"a":"xy\)", 1000), text_kind::none) << "inside an escape";
  EXPECT_EQ(text(R"({"a":"","b":")", 10), text_kind::json);
  EXPECT_EQ(text(R"({"a":"","b":"x)", 9), text_kind::json);
  EXPECT_EQ(text(R"({"a":"","b":"x)", 10), text_kind::none);
}

// Many alternatives and counts at once: what is kept can always come to its end.
TEST(Machine, ManyPossibilitiesAreBounded) {
  auto schema = std::string{R"({"anyOf":[)"};
  for (auto i = 0; i < 400; ++i)
    schema += fmt::format(R"({}{{"type":"string","minLength":{},"maxLength":{}}})",
                          i > 0 ? "," : "", i, 2000 - i);
  auto m = machine{shared_schema(schema + "]}")};
  auto at = read(m, "\"" + std::string(500, 'x'));
  ASSERT_FALSE(at.positions.empty());
  EXPECT_LE(at.positions.size(), machine::max_nodes);
  at = m.leave(m.next(m.enter(at), '"'));
  EXPECT_TRUE(m.accepts(m.enter(at)));
}

} // namespace
} // namespace larql::grammar
