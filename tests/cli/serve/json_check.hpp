// JSON in tests of the protocols: compared as values, whatever the order of the fields.

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/json_body.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace larql::test {

inline json unordered(const ordered_json& value) {
  return json::parse(value.dump(-1, ' ', false, ordered_json::error_handler_t::replace));
}

/// Parses what a test has written.
inline ordered_json json_of(std::string_view text) {
  auto out = ordered_json::parse(text, nullptr, false);
  EXPECT_FALSE(out.is_discarded()) << text;
  return out;
}

/// More tools than are taken: `tool`, so many times, in a list.
inline std::string too_many_tools(std::string_view tool) {
  auto out = std::string{"["};
  for (auto i = 0; i < 1025; ++i)
    out.append(i == 0 ? "" : ",").append(tool);
  return out + "]";
}

/// What was read from `text`; without a value the test fails, and an empty one is returned.
template <class T>
T taken(serve::api_result<T> read, std::string_view text) {
  if (read)
    return *std::move(read);
  ADD_FAILURE() << read.error().param << ": " << read.error().message << "\nof " << text;
  return {};
}

/// Whether a value is what the text says.
inline testing::AssertionResult is_json(const ordered_json& value, std::string_view expected) {
  const auto want = json::parse(expected, nullptr, false);
  if (want.is_discarded())
    return testing::AssertionFailure() << "the test's own JSON is wrong: " << expected;
  const auto got = unordered(value);
  if (got == want)
    return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "differs: " << json::diff(want, got).dump() << "\nwhole: " << got.dump();
}

/// A server-sent event.
struct sse_event {
  std::string name; ///< empty: none
  std::string data; ///< "[DONE]" or JSON
};

/// The events of a stream; comments are left out. Fails the test if the text is cut somewhere else
/// than between two events.
inline std::vector<sse_event> events_of(std::string_view text) {
  auto out = std::vector<sse_event>{};
  while (!text.empty()) {
    const auto end = text.find("\n\n");
    if (end == std::string_view::npos) {
      ADD_FAILURE() << "a stream that ends inside an event: " << text;
      return out;
    }
    auto event = sse_event{};
    auto lines = text.substr(0, end + 1);
    text.remove_prefix(end + 2);
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      if (line.starts_with("event: "))
        event.name = line.substr(7);
      else if (line.starts_with("data: "))
        event.data += line.substr(6);
      else if (!line.starts_with(":"))
        ADD_FAILURE() << "a line of no kind: " << line;
    }
    if (!event.data.empty())
      out.push_back(std::move(event));
  }
  return out;
}

} // namespace larql::test
