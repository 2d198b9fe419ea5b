// Fuzz target: what a model may write, read by the output reader, and what clients send as messages
// and tools, rendered by the chat template.
//
// The first byte chooses what the rest is:
//   0  token numbers, one byte each, of which the first says whether a thought is open
//   1  a schema of a tool's parameters, a zero byte, and arguments of a call

#include "runtime/base/json.hpp"
#include "runtime/text/chat_template.hpp"
#include "runtime/text/output_reader.hpp"
#include "tests/fuzz/fuzz_tokenizer.hpp"

#include <algorithm>

namespace larql::text {
namespace {

void check_events(const std::vector<output_event>& events, std::uint32_t calls) {
  auto arguments = std::string{};
  auto begun = std::uint32_t{0};
  auto open = false;
  for (const auto& e : events) {
    using kind = output_event::kind;
    switch (e.what) {
    case kind::content:
    case kind::thought:
      LARQL_CHECK(!e.text.empty() && !open);
      for (auto rest = std::string_view{e.text}; !rest.empty();) {
        const auto unit = next_utf8(rest);
        LARQL_CHECK(unit.what == utf8_unit::kind::scalar);
        rest.remove_prefix(unit.length);
      }
      break;
    case kind::call_begin:
      LARQL_CHECK(!open && !e.text.empty() && e.call == begun);
      open = true;
      ++begun;
      arguments.clear();
      break;
    case kind::call_arguments:
      LARQL_CHECK(open && e.call == begun - 1);
      arguments += e.text;
      break;
    case kind::call_end: {
      LARQL_CHECK(open && e.call == begun - 1);
      open = false;
      const auto parsed = parse_json(arguments, "arguments");
      LARQL_CHECK(parsed && parsed->is_object());
      break;
    }
    }
  }
  LARQL_CHECK(begun == calls);
}

void check_output(std::string_view bytes) {
  const auto& tokens = fuzz::chat_tokenizer();
  const auto in_thought = !bytes.empty() && (bytes[0] & 1) != 0;
  auto ids = std::vector<token_id>{};
  for (const auto c : bytes.substr(std::min<std::size_t>(1, bytes.size())))
    // Control tokens and words come more often than single bytes.
    ids.push_back(static_cast<unsigned char>(c) < 14
                      ? static_cast<unsigned char>(c)
                      : static_cast<token_id>(tokens.size() - 256 + static_cast<unsigned char>(c)));
  auto whole = output_reader{tokens, in_thought}, single = whole;
  auto events = std::vector<output_event>{}, singles = events;
  whole.append(ids, events);
  whole.finish(events);
  check_events(events, whole.calls());
  auto joined = [](const std::vector<output_event>& list) {
    auto out = std::string{};
    for (const auto& e : list)
      out += e.text;
    return out;
  };
  for (const auto id : ids) {
    auto few = std::vector<output_event>{};
    auto copy = single;
    copy.append(id, few);
    single = copy;
    singles.insert(singles.end(), few.begin(), few.end());
  }
  single.finish(singles);
  LARQL_CHECK(single == whole && joined(events) == joined(singles));
}

void check_tools(std::string_view schema, std::string_view arguments) {
  const auto& tokens = fuzz::chat_tokenizer();
  auto options = chat_options{};
  options.tools = {{"f", std::string{arguments}, std::string{schema}}};
  auto call = chat_message{chat_role::model, std::string{schema}};
  call.tool_calls = {{"1", "f", std::string{arguments}}};
  auto response = chat_message{chat_role::tool, std::string{schema}};
  response.tool_call_id = "1";
  const auto messages =
      std::vector<chat_message>{{chat_role::user, std::string{arguments}}, call, response};
  for (const auto revision : {template_revision::launch, template_revision::interleaved,
                              template_revision::second, template_revision::canonical}) {
    const auto form = chat_template{true, true, revision};
    const auto prompt = form.render_prompt(messages, options, tokens);
    if (prompt)
      LARQL_CHECK(prompt->system_end > 0 && prompt->system_end <= prompt->tokens.size());
  }
}

void run(std::string_view bytes) {
  if (bytes.empty())
    return;
  const auto kind = static_cast<unsigned char>(bytes[0]) % 2;
  bytes.remove_prefix(1);
  if (kind == 0)
    return check_output(bytes);
  const auto middle = std::min(bytes.find('\0'), bytes.size());
  check_tools(bytes.substr(0, middle),
              middle < bytes.size() ? bytes.substr(middle + 1) : std::string_view{});
}

} // namespace
} // namespace larql::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::text::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
