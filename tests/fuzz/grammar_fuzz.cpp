// Fuzz target: JSON schemas and patterns from strangers, and any text against what they become.
//
// The first byte chooses what the rest is:
//   0, 1  a schema, a zero byte, and a text that chooses tokens; of 1 in the style of tool calls
//   2     a pattern, a zero byte, and such a text
//   3     rules of an output: flags, and a schema for a tool
//
// Whatever a mask allows can go on, and the output can always come to an end.

#include "runtime/grammar/constraint.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/grammar/schema.hpp"
#include "tests/fuzz/fuzz_tokenizer.hpp"

#include <algorithm>

namespace larql::grammar {
namespace {

// Takes bytes that may come, chosen by `choices`, then ends as soon as it can.
void walk(network net, std::string_view choices) {
  auto m = machine{std::make_shared<const network>(std::move(net))};
  auto at = m.start();
  for (const auto c : choices.substr(0, 200)) {
    const auto state = m.enter(at);
    LARQL_CHECK(state != machine::dead);
    auto open = std::vector<symbol>{};
    for (auto s = symbol{0}; s < symbol_count; ++s)
      if (m.next(state, s) != machine::dead)
        open.push_back(s);
    LARQL_CHECK(!open.empty() || m.accepts(state));
    if (open.empty())
      return;
    at = m.leave(m.next(state, open[static_cast<unsigned char>(c) % open.size()]));
    LARQL_CHECK(m.enter(at) != machine::dead);
    if (m.full())
      m.reset();
  }
}

void check_schema(std::string_view schema, value_style style, std::string_view choices) {
  auto net = network_builder{};
  auto forms = value_forms{net, style};
  const auto start = add_schema(forms, schema, "the schema");
  if (!start)
    return;
  if (auto done = net.finish(*start))
    walk(*std::move(done), choices);
}

void check_pattern(std::string_view pattern, std::string_view choices) {
  auto net = network_builder{};
  const auto start = add_regex(net, pattern, value_style::json, net.end());
  if (!start)
    return;
  if (auto done = net.finish(*start))
    walk(*std::move(done), choices);
}

void check_rules(unsigned flags, std::string_view schema, std::string_view choices) {
  static const auto& tokens = fuzz::chat_tokenizer();
  static const auto engine = constraint_engine::create(
      tokens, {*tokens.find("<turn|>")}, {.mask_bytes = std::size_t{1} << 20, .compiled = 4});
  auto rules = output_rules{};
  rules.form = (flags & 1) != 0 ? content_form::json_object : content_form::text;
  if (rules.form == content_form::json_object)
    rules.schema = schema;
  rules.thinking = (flags & 2) != 0;
  rules.in_thought = (flags & 4) != 0;
  if ((flags & 8) != 0)
    rules.thought_budget = 3;
  if ((flags & 16) != 0)
    rules.tools = {{"f", "", std::string{schema}, (flags & 32) != 0}, {"g"}};
  rules.choice = static_cast<tool_choice>(flags >> 6 & 3u) == static_cast<tool_choice>(3)
                     ? tool_choice::none
                     : static_cast<tool_choice>(flags >> 6 & 3u);
  auto c = engine->compile(rules);
  if (!c)
    return;
  for (const auto choice : choices.substr(0, 100)) {
    const auto mask = c->mask();
    const auto wanted = static_cast<unsigned char>(choice);
    if (mask == nullptr) {
      c->accept(wanted % static_cast<std::uint32_t>(tokens.size()));
      continue;
    }
    LARQL_CHECK(mask->count() > 0);
    auto token = mask->first();
    auto left = wanted % mask->count();
    for (auto i = token; i < tokens.size(); ++i)
      if (mask->allows(i) && left-- == 0) {
        token = i;
        break;
      }
    if (token == *tokens.find("<turn|>"))
      return;
    c->accept(token);
    LARQL_CHECK(c->may_end() || c->mask() == nullptr || c->mask()->count() > 0);
  }
}

void run(std::string_view bytes) {
  if (bytes.empty())
    return;
  const auto kind = static_cast<unsigned char>(bytes[0]) % 4;
  bytes.remove_prefix(1);
  const auto middle = std::min(bytes.find('\0'), bytes.size());
  const auto first = bytes.substr(0, middle);
  const auto second = middle < bytes.size() ? bytes.substr(middle + 1) : std::string_view{};
  switch (kind) {
  case 0: return check_schema(first, value_style::json, second);
  case 1: return check_schema(first, value_style::call, second);
  case 2: return check_pattern(first, second);
  default:
    if (!first.empty())
      check_rules(static_cast<unsigned char>(first[0]), first.substr(1), second);
  }
}

} // namespace
} // namespace larql::grammar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::grammar::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
