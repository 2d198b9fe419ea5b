#include "runtime/import/write_piece.hpp"

#include <algorithm>
#include <atomic>

namespace larql::import {

namespace {

constexpr std::uint64_t chunk_bytes = 8 << 20; // of output, converted and written at a time

} // namespace

result<void> convert_piece(const piece& p, std::uint64_t begin, std::uint64_t end,
                           std::span<std::byte> out, compute_pool& pool) {
  const auto row_bytes = p.to.row_bytes();
  const auto first = p.first_row + begin;
  auto converted = std::atomic<bool>{true};
  pool.parallel_for(end - begin, 16, [&](std::size_t a, std::size_t b, unsigned) {
    if (!convert_rows(*p.tensor, first + a, first + b, p.to,
                      out.subspan(a * row_bytes, (b - a) * row_bytes), p.scale))
      converted.store(false, std::memory_order_relaxed);
  });
  if (converted.load())
    return {};
  return fail(errc::corrupt,
              "tensor {}: rows {} to {} hold a number that is NaN, infinite or too large for {}",
              p.tensor->name, first, first + (end - begin) - 1, quant::name_of(p.to.format));
}

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
