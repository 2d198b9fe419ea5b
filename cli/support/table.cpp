#include "cli/support/table.hpp"

#include "runtime/base/one_line.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace larql::cli {

void table::add(std::vector<std::string> row) {
  for (auto& cell : row)
    cell = one_line(cell);
  rows_.push_back(std::move(row));
}

std::string table::text() const {
  auto widths = std::vector<std::size_t>{};
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (auto i = std::size_t{0}; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  auto out = std::string{};
  for (const auto& row : rows_) {
    for (auto i = std::size_t{0}; i < row.size(); ++i)
      out += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    out += '\n';
  }
  return out;
}

} // namespace larql::cli
