// Makes text safe to show on a terminal: what a model, a file or a peer wrote must not move the
// cursor, change colours, ring, set the title, or turn the reading direction of what follows.
//
// Removed: C0 controls but newline and tab, DEL, C1 controls. Bidirectional embeddings, overrides
// and isolates are closed at the end of each line, and closings without an opening are removed.
// What Arabic, Hebrew and emoji need stays: marks, joiners, variation selectors, tags.
//
// Owner     A value. Text may come in pieces of whole characters (utf8_stream.hpp).

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

class terminal_text {
public:
  /// The piece as it may be shown.
  [[nodiscard]] std::string append(std::string_view piece);
  /// Closes what is open at the end of the text.
  [[nodiscard]] std::string flush();

  friend bool operator==(const terminal_text&, const terminal_text&) = default;

private:
  void close_all(std::string& out);
  void close(char32_t closing, std::string& out);

  std::vector<char32_t> open_; // the closing character of each opening, the innermost last
};

} // namespace larql::text
