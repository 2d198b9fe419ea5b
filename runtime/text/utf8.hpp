// UTF-8: one scalar at a time, and bytes made valid.
//
// Errors    None. What is not UTF-8 is reported as such (next_utf8) or becomes U+FFFD
//           (utf8_repair).
// Threads   Plain values.
// Source    The Unicode Standard, table 3-7; U+FFFD stands for each maximal subpart, as in WHATWG.

#pragma once

#include <string>
#include <string_view>

namespace larql::text {

/// U+FFFD, what stands for bytes that mean nothing.
inline constexpr std::string_view replacement_character = "\xef\xbf\xbd";

/// What the first bytes of a text are.
struct utf8_unit {
  enum class kind : unsigned char {
    scalar,    ///< One scalar value of `length` bytes.
    broken,    ///< `length` bytes that no continuation could make valid.
    unfinished ///< `length` bytes, all that are left: the beginning of a scalar.
  };
  kind what;
  unsigned length; // 1 to 4 bytes
  char32_t scalar; // of a scalar only
};

/// @pre text is not empty
[[nodiscard]] utf8_unit next_utf8(std::string_view text) noexcept;

/// Unicode's property White_Space.
[[nodiscard]] bool is_white_space(char32_t scalar) noexcept;

/// A text for messages, in quotes: at most 40 bytes of it, control characters escaped.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// Bytes in, valid UTF-8 out, in any portions. Holds back at most 3 bytes.
class utf8_repair {
public:
  void append(std::string_view bytes, std::string& out);
  /// No more bytes will come: an unfinished scalar becomes U+FFFD.
  void flush(std::string& out);

  friend bool operator==(const utf8_repair&, const utf8_repair&) = default;

private:
  std::string held_; // the beginning of a scalar
};

} // namespace larql::text
