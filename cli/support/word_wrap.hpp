// Breaks the lines of a text between words where a terminal would break them within one. A word
// that turns out too long for the rest of its line is taken back and begins the next, so nothing is
// held up: the text may come in pieces of any size.
//
// Words end at blanks; Chinese and Japanese break between any two characters, but not in front of
// closing punctuation. A word that is longer than a line is left to the terminal, and so are lines
// of code, between ``` or ~~~: both can be copied as they are.
//
// Numerics  Columns as in terminal_column.hpp.
// Threads   Plain values.

#pragma once

#include "cli/support/terminal_column.hpp"

#include <string>
#include <string_view>

namespace larql::cli {

/// Which lines of a Markdown text are code, or begin or end it.
class code_fences {
public:
  void add(char32_t character) noexcept;
  /// The line so far is the terminal's.
  [[nodiscard]] bool is_code() const noexcept { return open_ != 0 || count_ >= fence_length; }

private:
  static constexpr std::size_t fence_length = 3;

  char32_t open_ = 0; ///< what the block is fenced with; 0: no block
  std::size_t open_count_ = 0;
  // Of the line.
  char32_t mark_ = 0;
  std::size_t count_ = 0;
  bool is_in_marks_ = true; ///< there are only blanks and marks
  bool has_words_ = false;  ///< behind the marks
};

class word_wrap {
public:
  explicit word_wrap(std::size_t columns) noexcept : column_(columns) {}

  /// What is to be written for this piece. Whole characters without escape sequences in, text with
  /// line ends and cursor movements out.
  [[nodiscard]] std::string add(std::string_view text);
  /// The cursor stands in an empty line, and what is above it stays.
  void begin_line() noexcept;
  /// The terminal has this width from now on.
  void resize(std::size_t columns) noexcept;

  /// Where the cursor is.
  [[nodiscard]] const terminal_column& column() const noexcept { return column_; }

private:
  void add_blank(std::string_view c, std::string& out);
  void add_visible(std::string_view c, char32_t scalar, std::string& out);
  void put(std::string_view c, std::string& out);
  void end_word() noexcept;

  terminal_column column_;
  code_fences fences_;
  std::string word_;           ///< of the line's last word, what can be taken back
  std::size_t word_begin_ = 0; ///< its column
  bool is_fixed_ = false;      ///< the word has been broken and stays where it is
  bool may_end_ = false;       ///< another word begins with the next character
  bool is_joined_ = false;     ///< the next character belongs to this one
  bool owes_line_end_ = false; ///< a blank stood behind a full line
};

} // namespace larql::cli
