#include "actors/node/relay_sums.hpp"

#include "schema/sums.hpp"

namespace larql::actors {

namespace {

// How far a part has been read.
struct place {
  std::size_t row = 0;
  std::size_t byte = 0;
};

} // namespace

void part_adder::add(std::span<const answered_part> parts, const schema::expert_call& whole,
                     std::uint32_t hidden, std::vector<std::byte>& widths,
                     std::vector<std::byte>& bytes) {
  const auto& whole_rows = whole.whole_rows;
  const auto is_exact = whole.sums == quant::sum_format::exact;
  auto places = std::vector<place>(parts.size());
  floats_.resize(hidden);
  for (auto r = 0u; r < whole.rows; ++r) {
    sums_.assign(hidden, 0);
    for (auto i = std::size_t{0}; i < parts.size(); ++i) {
      const auto& part = parts[i];
      auto& at = places[i];
      if (at.row == part.rows.size() || part.rows[at.row] != r)
        continue;
      const auto width = static_cast<std::uint8_t>(part.result.widths[at.row]);
      const auto size = schema::row_bytes(width, hidden);
      schema::add_packed(part.result.sums.subspan(at.byte, size), width, sums_);
      at.byte += size;
      ++at.row;
    }
    if (is_exact && r < whole_rows.size() && whole_rows[r] != std::byte{0}) {
      k_.fixed_to_float(sums_.data(), hidden, floats_.data());
      schema::put_complete_row(floats_, widths, bytes);
    } else {
      schema::pack_sums(sums_, hidden, whole.sums, widths, bytes);
    }
  }
}

} // namespace larql::actors
