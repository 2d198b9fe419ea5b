// Whether texts meet a grammar, symbol by symbol; control tokens are spelled.

#pragma once

#include "runtime/grammar/machine.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/grammar/schema.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace larql::grammar::test {

/// The symbols of a text in which control tokens are spelled.
inline std::vector<symbol> symbols_of(std::string_view text) {
  auto out = std::vector<symbol>{};
  while (!text.empty()) {
    const auto take = [&](std::string_view tag, symbol s) {
      if (!text.starts_with(tag))
        return false;
      out.push_back(s);
      text.remove_prefix(tag.size());
      return true;
    };
    if (take("<|\"|>", quote_symbol) || take("<tool_call|>", call_end_symbol))
      continue;
    out.push_back(static_cast<unsigned char>(text[0]));
    text.remove_prefix(1);
  }
  return out;
}

class recognizer {
public:
  explicit recognizer(network net) : machine_(std::make_shared<const network>(std::move(net))) {}

  [[nodiscard]] bool accepts(std::string_view text) {
    const auto end = read(text);
    return machine_.accepts(end);
  }
  /// It may be the begin of a text that is accepted.
  [[nodiscard]] bool may_begin(std::string_view text) { return read(text) != machine::dead; }

private:
  machine::state read(std::string_view text) {
    auto state = machine_.enter(machine_.start());
    for (const auto s : symbols_of(text))
      state = machine_.next(state, s);
    return state;
  }

  machine machine_;
};

inline result<network> network_of_schema(std::string_view schema,
                                         value_style style = value_style::json) {
  auto net = network_builder{};
  auto forms = value_forms{net, style};
  LARQL_TRY(const auto start, add_schema(forms, schema, "the schema"));
  return net.finish(start);
}

inline recognizer schema(std::string_view text, value_style style = value_style::json) {
  auto net = network_of_schema(text, style);
  EXPECT_TRUE(net) << text << ": " << net.error().text;
  return recognizer{*std::move(net)};
}

} // namespace larql::grammar::test
