// Finds fixed spellings in a text: the leftmost match, and of those that start there the longest.
//
// A trie whose edges lie in one flat table. The cost of a search is at most the length of the text
// times the longest spelling; at most places it ends at the first byte.
//
// Errors    An empty or overlong spelling, a repeated one.
// Threads   Immutable after building.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/text/flat_map.hpp"

#include <array>
#include <optional>
#include <string_view>

namespace larql::text {

class token_finder {
public:
  /// Bounds the work at each byte. Gemma's longest have 93 bytes.
  static constexpr std::size_t max_spelling_bytes = 256;

  /// `number` is what a match of this spelling reports.
  [[nodiscard]] result<void> add(std::string_view spelling, std::uint32_t number);

  struct match {
    std::size_t begin; // of the text, in bytes
    std::size_t end;
    std::uint32_t number;
  };
  /// The first match that starts at or after `from`.
  [[nodiscard]] std::optional<match> next(std::string_view text, std::size_t from) const noexcept;

private:
  using node = std::uint32_t; // 0 is the root
  [[nodiscard]] static std::uint64_t edge(node from, char byte) noexcept {
    return std::uint64_t{from} << 8 | static_cast<unsigned char>(byte);
  }

  std::array<bool, 256> starts_{}; // bytes that begin a spelling
  flat_map<node> edges_;
  flat_map<std::uint32_t> numbers_; // by the node where a spelling ends
  node last_node_ = 0;
};

} // namespace larql::text
