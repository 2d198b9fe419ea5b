// larql_bench_structured_output: what keeping an output to a schema costs, for a vocabulary of
// Gemma's size: making the trie, compiling schemas, a mask that was never needed before, the same
// again, and a copy of the state.

#include "runtime/grammar/constraint.hpp"
#include "runtime/grammar/vocabulary_trie.hpp"
#include "tests/bench/synthetic_vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

using namespace larql;

namespace {

using clock_type = std::chrono::steady_clock;

double ms_since(clock_type::time_point begin) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - begin).count();
}

struct example {
  const char* name;
  std::string schema;
  std::string value;
};

/// Such that a text stands at as many places at once as there may be.
std::vector<example> hostile_examples() {
  auto lengths = std::string{R"({"anyOf":[)"}, patterns = lengths, alternatives = std::string{};
  for (auto i = 0; i < 300; ++i) {
    lengths += fmt::format(R"({}{{"type":"string","minLength":{},"maxLength":{}}})",
                           i > 0 ? "," : "", i, 2000 - i);
    patterns += fmt::format(R"({}{{"type":"string","pattern":"{}.*{}$"}})", i > 0 ? "," : "",
                            static_cast<char>('a' + i % 26), i);
    alternatives += fmt::format("{}[a-z]*{}.?", i > 0 ? "|" : "", static_cast<char>('a' + i % 26));
  }
  return {
      {"hostile: 300 lengths", lengths + "]}", R"("some text of a few words")"},
      {"hostile: 300 patterns", patterns + "]}", R"("a text of a few words and a 0")"},
      {"hostile: 300 alternatives, repeated",
       fmt::format(R"({{"type":"string","pattern":"^({})*$"}})", alternatives),
       R"("some text of a few words")"},
      {"hostile: counts within counts",
       R"({"type":"string","pattern":"^((([a-z ]{1,50},?){1,50};?){1,50}.?){1,50}$"})",
       R"("some text of a few words, and more; at the end")"},
      {"hostile: nested arrays",
       R"({"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/t"}},
{"type":"array","items":{"type":"array","items":{"$ref":"#/$defs/t"}}},{"type":"string"}]}}})",
       R"([["a", [["b"]], []], "c"])"},
  };
}

std::vector<example> examples() {
  auto out = std::vector<example>{};
  out.push_back(
      {"any object", "",
       R"({"title": "A day in Rome", "tags": ["food", "walks"], "days": [{"n": 1, "plan": )"
       R"("Breakfast, then the old town."}, {"n": 2, "plan": "The museums."}], "ok": true})"});
  out.push_back(
      {"a record of ten fields",
       R"({"type":"object","properties":{"name":{"type":"string"},"email":{"type":"string","format":"email"},
"age":{"type":"integer","minimum":0,"maximum":130},"country":{"enum":["it","fr","de","no","se"]},
"score":{"type":"number","minimum":0,"maximum":1},"tags":{"type":"array","items":{"type":"string"}},
"note":{"type":"string","maxLength":200},"born":{"type":"string","format":"date"},
"address":{"type":"object","properties":{"street":{"type":"string"},"town":{"type":"string"}},
"required":["street","town"],"additionalProperties":false},"active":{"type":"boolean"}},
"required":["name","email","age","country","score","tags","note","born","address","active"],
"additionalProperties":false})",
       R"({"name": "Ann Lee", "email": "ann.lee@example.org", "age": 41, "country": "no", "score": 0.75, )"
       R"("tags": ["new", "large order", "north"], "note": "Wants to be called in the morning, not later )"
       R"(than ten.", "born": "1985-03-12", "address": {"street": "Storgata 5", "town": "Oslo"}, )"
       R"("active": true})"});
  out.push_back(
      {"a tree",
       R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"v":{"type":"string"},
"kids":{"type":"array","items":{"$ref":"#/$defs/t"}}},"required":["v","kids"],"additionalProperties":false}}})",
       R"({"v": "root", "kids": [{"v": "left", "kids": []}, {"v": "right", "kids": [{"v": )"
       R"("leaf", "kids": []}]}]})"});
  auto wide = std::string{R"({"type":"object","properties":{)"};
  for (auto i = 0; i < 200; ++i)
    wide += fmt::format(R"({}"field_{}":{{"type":"string"}})", i > 0 ? "," : "", i);
  out.push_back({"200 optional fields", wide + "}}",
                 R"({"field_3": "a", "field_77": "some words", "field_150": "b"})"});
  out.push_back({"a pattern", R"({"type":"string","pattern":"^([A-Z][a-z]+ ){1,40}[0-9]{2,12}$"})",
                 R"("Some Words Of The Title And More Words Than That 2026")"});
  for (auto& e : hostile_examples())
    out.push_back(std::move(e));
  return out;
}

void report(const char* what, std::vector<double> ms) {
  std::sort(ms.begin(), ms.end());
  fmt::print("    {:<34} median {:8.4f}  largest {:8.4f}\n", what, ms[ms.size() / 2], ms.back());
}

} // namespace

int main() {
  constexpr auto vocab = std::size_t{262144};
  const auto tokens = bench::synthetic_vocabulary(vocab);
  auto begin = clock_type::now();
  const auto engine =
      grammar::constraint_engine::create(tokens, {*tokens.find("<eos>"), *tokens.find("<turn|>")});
  fmt::print("{} tokens; times in ms\ntrie made in {:.0f}", vocab, ms_since(begin));
  const auto trie = grammar::vocabulary_trie{tokens};
  fmt::print(", {} nodes, {} and {} of tokens that are not plain text\n", trie.all().size(),
             trie.others(grammar::text_kind::json).size(),
             trie.others(grammar::text_kind::any).size());
  for (const auto& e : examples()) {
    auto rules = grammar::output_rules{};
    rules.form = grammar::content_form::json_object;
    rules.schema = e.schema;
    begin = clock_type::now();
    auto c = engine->compile(rules);
    if (!c) {
      fmt::print("{}: {}\n", e.name, c.error().text);
      return 1;
    }
    const auto ids = bench::longest_tokens(tokens, e.value);
    fmt::print("  {}: compiled in {:.2f}, {} tokens\n", e.name, ms_since(begin), ids.size());
    for (const auto* round : {"never seen", "seen before"}) {
      auto at = *engine->compile(rules);
      auto masks = std::vector<double>{}, steps = masks, copies = masks;
      for (const auto id : ids) {
        begin = clock_type::now();
        const auto mask = at.mask();
        masks.push_back(ms_since(begin));
        if (mask == nullptr || !mask->allows(id)) {
          fmt::print("token {} of {} is not allowed\n", tokens.piece(id), e.name);
          return 1;
        }
        begin = clock_type::now();
        for (auto i = 0; i < 1000; ++i) {
          auto copy = at;
          if (copy.is_active() && i == 1000)
            return 1;
        }
        copies.push_back(ms_since(begin) / 1000);
        begin = clock_type::now();
        at.accept(id);
        steps.push_back(ms_since(begin));
      }
      fmt::print("   {}\n", round);
      report("mask", masks);
      report("token accepted", steps);
      report("copy", copies);
    }
  }
  fmt::print("masks kept: {:.1f} MB\n", static_cast<double>(engine->mask_bytes()) / 1e6);
  return 0;
}
