// In which column of a terminal a text has ended: what a line below it needs to know to be taken
// away again.
//
// Numerics  Wide characters take two columns, marks and joiners none, whatever the locale is.
// Threads   Plain values.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace larql::cli {

/// Columns that a character takes: 0, 1 or 2.
[[nodiscard]] std::size_t columns_of(char32_t character) noexcept;

/// Columns of a text without line ends.
[[nodiscard]] std::size_t columns_of(std::string_view text) noexcept;

/// The beginning of a text, whole characters, that fits so many columns.
[[nodiscard]] std::string cut_to_columns(std::string_view text, std::size_t columns);

class terminal_column {
public:
  explicit terminal_column(std::size_t columns) noexcept : columns_(columns == 0 ? 1 : columns) {}

  /// The text is written. Whole characters, no escape sequences.
  void add(std::string_view text) noexcept;
  /// The terminal has this width from now on.
  void resize(std::size_t columns) noexcept;

  /// Characters in the line: 0 to columns(). At columns() the line is full, and the next character
  /// begins another.
  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }

private:
  std::size_t columns_;
  std::size_t at_ = 0;
};

/// Of the terminal at this descriptor; 80 if it does not say.
[[nodiscard]] std::size_t terminal_columns(int fd) noexcept;

} // namespace larql::cli
