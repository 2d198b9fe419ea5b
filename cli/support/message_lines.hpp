// Makes messages of lines: one line is one message, unless it ends in a backslash, or begins with
// """, which goes on to the line that ends in """.
//
// Threads   Plain values.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace larql::cli {

struct typed_message {
  std::string text;
  /// It stood in """: a text whatever it begins with.
  bool quoted = false;

  friend bool operator==(const typed_message&, const typed_message&) = default;
};

class message_lines {
public:
  /// The next line, without its end. The message, if it ends with this line.
  [[nodiscard]] std::optional<typed_message> add(std::string_view line);

  /// Something came that is not whole.
  [[nodiscard]] bool is_open() const noexcept { return open_; }
  /// No more lines will come: what there is of a message.
  [[nodiscard]] std::optional<typed_message> finish();

private:
  [[nodiscard]] std::optional<typed_message> take();

  bool open_ = false;
  typed_message message_;
};

} // namespace larql::cli
