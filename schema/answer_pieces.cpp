#include "schema/answer_pieces.hpp"

#include "schema/codec.hpp"
#include "schema/sums.hpp"

#include <algorithm>

namespace larql::schema {

namespace {

// Header and message of a piece without its sums, widths and makers, with some to spare.
constexpr std::uint32_t piece_header_bytes = 256;

} // namespace

void encode_in_pieces(const expert_result& whole, std::size_t hidden, std::uint32_t piece_bytes,
                      std::vector<char>& out) {
  const auto around = piece_header_bytes + static_cast<std::uint32_t>(whole.makers.size());
  const auto most = piece_bytes - std::min(piece_bytes, around);
  if (piece_bytes == 0 || whole.rows <= 1 || whole.sums.size() + whole.widths.size() <= most)
    return encode(whole, out);
  const auto bytes_of = [&](std::size_t row) {
    return row_bytes(static_cast<std::uint8_t>(whole.widths[row]), hidden);
  };
  auto piece = whole;
  piece.call_rows = whole.rows;
  auto sums = whole.sums;
  for (auto first = std::size_t{0}; first < whole.rows; first += piece.rows) {
    auto bytes = bytes_of(first);
    auto rows = std::size_t{1};
    while (first + rows < whole.rows && bytes + bytes_of(first + rows) + rows + 1 <= most)
      bytes += bytes_of(first + rows++);
    piece.first_row = static_cast<std::uint32_t>(first);
    piece.rows = static_cast<std::uint32_t>(rows);
    piece.widths = whole.widths.subspan(first, rows);
    piece.sums = sums.first(bytes);
    encode(piece, out);
    sums = sums.subspan(bytes);
  }
}

} // namespace larql::schema
