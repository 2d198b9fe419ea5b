#include "runtime/models/gemma4/pass_rows.hpp"

#include "runtime/base/check.hpp"

namespace larql::gemma4 {

void pass_rows::set(std::span<const sequence_part> parts) {
  rows_.clear();
  branches_.clear();
  for (const auto& part : parts) {
    const auto count = static_cast<std::uint32_t>(part.tokens.size());
    LARQL_CHECK(count != 0);
    if (part.parents.empty()) {
      LARQL_CHECK(part.first + count <= part.cache->max_context());
      for (auto i = 0u; i < count; ++i)
        rows_.push_back({part.first + i, part.cache, part.first + i + 1, 0});
      continue;
    }
    LARQL_CHECK(part.parents.size() == count && count <= kv_cache::max_drafts);
    const auto first_row = rows_.size();
    for (auto i = 0u; i < count; ++i) { // draft i is in slot i
      const auto parent = part.parents[i];
      LARQL_CHECK(parent >= -1 && parent < static_cast<std::int32_t>(i));
      const auto at = static_cast<std::uint32_t>(branches_.size());
      auto position = part.first;
      if (parent >= 0) {
        const auto before = rows_[first_row + static_cast<std::size_t>(parent)];
        position = before.position + 1;
        for (auto k = 0u; k < position - part.first; ++k)
          branches_.push_back(branches_[before.branch + k]);
      }
      branches_.push_back(i);
      LARQL_CHECK(position < part.cache->max_context());
      rows_.push_back({position, part.cache, part.first, at});
    }
  }
  LARQL_CHECK(!rows_.empty());
}

// Drafts of rows that stay are found by their place in branches_, which stays as it is.
void pass_rows::remove(std::size_t first, std::size_t count) {
  LARQL_CHECK(first + count <= rows_.size());
  const auto from = rows_.begin() + static_cast<std::ptrdiff_t>(first);
  rows_.erase(from, from + static_cast<std::ptrdiff_t>(count));
}

kv_cache::slot pass_rows::slot_of(std::size_t r, std::uint32_t layer,
                                  std::uint32_t head) const noexcept {
  const auto& row = rows_[r];
  return row.is_draft()
             ? row.cache->draft_at(layer, head, branches_[row.branch + row.position - row.base])
             : row.cache->at(layer, head, row.position);
}

void pass_rows::read(std::size_t r, std::uint32_t layer, std::uint32_t first,
                     std::vector<kv_run>& out) const {
  const auto& row = rows_[r];
  out.clear();
  row.cache->read(layer, first, row.base, out);
  for (auto p = std::max(first, row.base); p <= row.position; ++p)
    out.push_back(row.cache->read_draft(layer, branches_[row.branch + p - row.base], p));
}

} // namespace larql::gemma4
