// Text in columns, for people.

#pragma once

#include <string>
#include <vector>

namespace larql::cli {

class table {
public:
  explicit table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }

  /// A row may be shorter than the head. Cells are made harmless: names come from peers and files.
  void add(std::vector<std::string> row);

  /// Columns as wide as their widest cell, two blanks apart; a newline after each row.
  [[nodiscard]] std::string text() const;

private:
  std::vector<std::vector<std::string>> rows_;
};

} // namespace larql::cli
