#include "actors/calls/partial_result.hpp"

namespace larql::actors {

namespace {

void append(std::vector<char>& out, std::span<const std::byte> bytes) {
  const auto* const begin = reinterpret_cast<const char*>(bytes.data());
  out.insert(out.end(), begin, begin + bytes.size());
}

} // namespace

result<bool> partial_result::add(const schema::expert_result& p) {
  const auto of = rows_ == 0 ? p.call_rows : last_.call_rows;
  if (p.first_row != rows_ || p.call_rows != of || p.widths.size() != p.rows)
    return fail(errc::corrupt,
                "a piece of an answer has rows {} to {} of {} and {} widths, expected row {} of {}",
                p.first_row, std::uint64_t{p.first_row} + p.rows, p.call_rows, p.widths.size(),
                rows_, of);
  if (sums_.size() + p.sums.size() > schema::max_frame_bytes)
    return fail(errc::corrupt, "the pieces of an answer have {} bytes, expected at most {}",
                sums_.size() + p.sums.size(), schema::max_frame_bytes);
  append(widths_, p.widths);
  append(sums_, p.sums);
  makers_.clear();
  append(makers_, p.makers); // of the whole, in every piece
  rows_ += p.rows;
  last_ = p;
  last_.widths = last_.sums = last_.makers = {};
  return rows_ == p.call_rows;
}

received_result partial_result::take() {
  LARQL_CHECK(rows_ != 0 && rows_ == last_.call_rows);
  const auto sum_bytes = sums_.size();
  sums_.insert(sums_.end(), widths_.begin(), widths_.end());
  sums_.insert(sums_.end(), makers_.begin(), makers_.end());
  auto out = received_result{std::make_shared<std::vector<char>>(std::move(sums_)), last_};
  const auto all = std::as_bytes(std::span{*out.buffer});
  out.message.rows = rows_;
  out.message.first_row = out.message.call_rows = 0;
  out.message.sums = all.first(sum_bytes);
  out.message.widths = all.subspan(sum_bytes, widths_.size());
  out.message.makers = all.last(makers_.size());
  return out;
}

} // namespace larql::actors
