// larql_bench_structured_output: what keeping an output to a schema costs, for a vocabulary of
// Gemma's size: making the trie, compiling schemas, a mask that was never needed before, the same
// again, and a copy of the state.

#include "runtime/grammar/constraint.hpp"
#include "runtime/grammar/vocabulary_trie.hpp"
#include "tests/bench/synthetic_vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

using namespace larql;

namespace {

/// Milliseconds since it was made, without those in which other processes had the processor.
class stopwatch {
public:
  [[nodiscard]] double ms() const { return std::min(wall_clock() - wall_, cpu_clock() - cpu_); }

private:
  static double read(clockid_t clock) {
    auto t = timespec{};
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
  }
  static double wall_clock() { return read(CLOCK_MONOTONIC); }
  static double cpu_clock() { return read(CLOCK_THREAD_CPUTIME_ID); }

  double cpu_ = cpu_clock();
  double wall_ = wall_clock();
};

struct example {
  const char* name;
  std::string schema;
  std::string value;
  bool is_hostile = false;
};

/// Such that a text stands at as many places at once as there may be.
std::vector<example> hostile_examples() {
  auto lengths = std::string{R"({"anyOf":[)"}, patterns = lengths, alternatives = std::string{};
  for (auto i = 0; i < 300; ++i) {
    lengths += fmt::format(R"({}{{"type":"string","minLength":{},"maxLength":{}}})",
                           i > 0 ? "," : "", i, 2000 - i);
    patterns += fmt::format(R"({}{{"type":"string","pattern":"{}.*{}$"}})", i > 0 ? "," : "",
                            static_cast<char>('a' + i % 26), i);
    if (i < 90) // a pattern has at most 1,000 bytes
      alternatives +=
          fmt::format("{}[a-z]*{}.?", i > 0 ? "|" : "", static_cast<char>('a' + i % 26));
  }
  return {
      {"300 lengths", lengths + "]}", R"("some text of a few words")", true},
      {"300 patterns", patterns + "]}", R"("a text of a few words and a 0")", true},
      {"90 alternatives, repeated",
       fmt::format(R"({{"type":"string","pattern":"^({})*$"}})", alternatives),
       R"("some text of a few words")", true},
      {"counts within counts",
       R"({"type":"string","pattern":"^((([a-z ]{1,50},?){1,50};?){1,50}.?){1,50}$"})",
       R"("some text of a few words, and more; at the end")", true},
      {"nested arrays",
       R"({"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/t"}},
{"type":"array","items":{"type":"array","items":{"$ref":"#/$defs/t"}}},{"type":"string"}]}}})",
       R"([["a", [["b"]], []], "c"])", true},
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
  auto watch = stopwatch{};
  const auto engine =
      grammar::constraint_engine::create(tokens, {*tokens.find("<eos>"), *tokens.find("<turn|>")});
  fmt::print("{} tokens; times in ms\ntrie made in {:.0f}", vocab, watch.ms());
  const auto trie = grammar::vocabulary_trie{tokens};
  fmt::print(", {} nodes, {} and {} of tokens that are not plain text\n", trie.all().size(),
             trie.others(grammar::text_kind::json).size(),
             trie.others(grammar::text_kind::any).size());
  for (const auto& e : examples()) {
    auto rules = grammar::output_rules{};
    rules.form = grammar::content_form::json_object;
    rules.schema = e.schema;
    watch = stopwatch{};
    auto c = engine->compile(rules);
    if (!c) {
      fmt::print("{}: {}\n", e.name, c.error().text);
      return 1;
    }
    const auto ids = bench::longest_tokens(tokens, e.value);
    fmt::print("  {}{}: compiled in {:.2f}, {} tokens\n", e.is_hostile ? "hostile: " : "", e.name,
               watch.ms(), ids.size());
    for (const auto* round : {"never seen", "seen before"}) {
      auto at = *engine->compile(rules);
      auto masks = std::vector<double>{}, steps = masks, copies = masks;
      auto left_out = 0;
      for (const auto id : ids) {
        watch = stopwatch{};
        const auto mask = at.mask();
        masks.push_back(watch.ms());
        if (mask != nullptr && e.is_hostile && !mask->allows(id)) {
          ++left_out; // at the bound of a walk; it may follow all the same
        } else if (mask == nullptr || !mask->allows(id)) {
          fmt::print("token {} of {} is not allowed\n", tokens.piece(id), e.name);
          return 1;
        }
        watch = stopwatch{};
        for (auto i = 0; i < 1000; ++i) {
          auto copy = at;
          if (copy.is_active() && i == 1000)
            return 1;
        }
        copies.push_back(watch.ms() / 1000);
        watch = stopwatch{};
        at.accept(id);
        steps.push_back(watch.ms());
      }
      fmt::print("   {}\n", round);
      report("mask", masks);
      report("token accepted", steps);
      report("copy", copies);
      if (left_out > 0)
        fmt::print("    {} of these tokens were left out\n", left_out);
    }
  }
  fmt::print("masks kept: {:.1f} MB\n", static_cast<double>(engine->mask_bytes()) / 1e6);
  return 0;
}
