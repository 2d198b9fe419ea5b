// Sets of characters (Unicode scalars), and the automata that read one of them.

#pragma once

#include "runtime/grammar/network.hpp"

#include <cstdint>
#include <vector>

namespace larql::grammar {

/// How values are written.
enum class value_style : std::uint8_t {
  json, ///< {"city": "Rome"}, with white space where JSON allows some
  call  ///< {city:<|"|>Rome<|"|>}: the arguments of a tool call, without white space
};

class char_set {
public:
  struct range {
    std::uint32_t first;
    std::uint32_t last; ///< in the set as well

    friend bool operator==(const range&, const range&) = default;
  };
  static constexpr std::uint32_t last_scalar = 0x10ffff;

  char_set() = default;
  char_set(std::initializer_list<range> ranges) : ranges_(ranges) { tidy(); }

  void add(std::uint32_t first, std::uint32_t last);
  void add(const char_set& other);
  /// All scalars that are not in the set.
  [[nodiscard]] char_set complement() const;
  [[nodiscard]] char_set without(const char_set& other) const;
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] bool contains(std::uint32_t scalar) const noexcept;
  /// Ascending, without gaps of nothing between them; no surrogates.
  [[nodiscard]] const std::vector<range>& ranges() const noexcept { return ranges_; }

  friend bool operator==(const char_set&, const char_set&) = default;

private:
  void tidy();

  std::vector<range> ranges_;
};

/// Lets `node` go on to `next` by the UTF-8 of any character of the set.
void add_utf8(network_builder& net, node_id node, const char_set& set, node_id next);

/// Lets `node` go on to `next` by any character of the set as it stands in a string: in JSON some
/// are escaped, each in one way.
void add_characters(network_builder& net, node_id node, const char_set& set, value_style style,
                    node_id next);

/// The same for every character, in JSON by any of its escapes as well.
void add_any_character(network_builder& net, node_id node, value_style style, node_id next);

/// The symbols of a text as it stands in a string; in JSON with escapes.
[[nodiscard]] std::vector<symbol> symbols_in_string(std::string_view text, value_style style);

/// The symbol that begins and ends a string.
[[nodiscard]] constexpr symbol quote_of(value_style style) noexcept {
  return style == value_style::json ? symbol{'"'} : quote_symbol;
}

} // namespace larql::grammar
