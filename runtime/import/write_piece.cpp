#include "runtime/import/write_piece.hpp"

#include "runtime/import/rewritten_file.hpp"

#include <algorithm>

namespace larql::import {

namespace {

constexpr std::uint64_t chunk_bytes = 8 << 20; // of output, converted and written at a time

} // namespace

result<void> write_piece(const piece& p, vindex::checksum_writer& out, compute_pool& pool,
                         std::vector<std::byte>& buffer,
                         const std::function<bool(std::uint64_t)>& on_bytes) {
  const auto row_bytes = p.to.row_bytes();
  const auto step = std::max<std::uint64_t>(chunk_bytes / row_bytes, 1);
  for (auto row = p.first_row; row < p.first_row + p.rows; row += step) {
    const auto end = std::min(row + step, p.first_row + p.rows);
    buffer.resize((end - row) * row_bytes);
    LARQL_TRY_VOID(convert_piece(p, row - p.first_row, end - p.first_row, buffer, pool));
    LARQL_TRY_VOID(out.write(buffer));
    const auto in_bytes = quant::row_bytes(p.tensor->format, p.tensor->cols());
    release_pages(p.tensor->data.subspan(row * in_bytes, (end - row) * in_bytes));
    if (!on_bytes(buffer.size()))
      return fail(errc::cancelled, "stopped; the same command goes on from here");
  }
  return {};
}

} // namespace larql::import
