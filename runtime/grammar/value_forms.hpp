// The values of JSON as automata, in both styles: what a schema's keywords are made of.

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/grammar/char_set.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::grammar {

class value_forms {
public:
  value_forms(network_builder& net, value_style style) : net_(net), style_(style) {}

  [[nodiscard]] value_style style() const noexcept { return style_; }
  [[nodiscard]] network_builder& net() noexcept { return net_; }

  /// White space where JSON allows some: none, a space, or a line break and an indentation.
  [[nodiscard]] node_id space(node_id next);
  /// "," and white space.
  [[nodiscard]] node_id comma(node_id next);

  [[nodiscard]] node_id string(std::uint32_t min, std::uint32_t max, node_id next);
  /// A string that matches.
  [[nodiscard]] result<node_id> matching_string(std::string_view expression, node_id next);
  /// Any of these values, as they are.
  [[nodiscard]] node_id literals(const std::vector<ordered_json>& values, node_id next);

  /// An array: `first` items in order, then `more` times `item`.
  struct array_items {
    std::vector<node_id> first{};  ///< automata to call
    std::optional<node_id> item{}; ///< automaton to call
    std::uint32_t min = 0;         ///< of items beyond the first
    std::uint32_t max = unbounded;
    bool may_be_empty = true;
  };
  [[nodiscard]] node_id array(const array_items& items, node_id next);

  /// A key and what stands between it and its value.
  [[nodiscard]] node_id key(std::string_view name, node_id value);
  /// A key that is none of `names`. In JSON it has no escapes.
  [[nodiscard]] node_id other_key(const std::vector<std::string>& names, node_id value);

  /// Automata to call.
  [[nodiscard]] node_id any_value();
  [[nodiscard]] node_id any_object();

private:
  [[nodiscard]] node_id any_string();
  void other_characters(node_id node, const std::vector<const std::u32string*>& names,
                        std::size_t depth, node_id rest, node_id foreign, node_id end);
  void append_literal(const ordered_json& value, std::vector<symbol>& out) const;

  network_builder& net_;
  value_style style_;
  std::optional<node_id> blank_;     // one character of an indentation
  std::optional<node_id> character_; // one character of a string
  std::optional<node_id> any_string_, any_value_, any_object_;
};

/// Names in the order in which they are written: in JSON as they came, in calls sorted as the chat
/// template sorts them.
void put_in_order(std::vector<std::string>& names, value_style style);

} // namespace larql::grammar
