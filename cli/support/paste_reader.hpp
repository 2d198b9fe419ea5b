// Tells what is typed from what is pasted: a terminal in bracketed paste mode puts ESC[200~ in
// front of a paste and ESC[201~ behind it.
//
// Threads   Plain values.
// Source    XTerm Control Sequences, "Bracketed Paste Mode".

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace larql::cli {

inline constexpr std::string_view bracketed_paste_on = "\x1b[?2004h";
inline constexpr std::string_view bracketed_paste_off = "\x1b[?2004l";

class paste_reader {
public:
  struct input {
    std::string typed;                 ///< bytes that belong to no paste
    std::optional<std::string> pasted; ///< a whole paste, as it came
  };
  /// The next byte. What may be the beginning of a mark is held back until it is certain.
  [[nodiscard]] input add(char byte);

private:
  bool in_paste_ = false;
  std::string held_; // the beginning of a mark
  std::string paste_;
};

/// A paste as it may stand in a message: line ends of every system become \n, the last one goes,
/// tabs stay, other control characters go.
[[nodiscard]] std::string clean_paste(std::string_view text);

} // namespace larql::cli
