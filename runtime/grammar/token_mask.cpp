#include "runtime/grammar/token_mask.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <bit>

namespace larql::grammar {

namespace {

// Gathering so many logits costs less than looking at all of them.
constexpr std::size_t few = 2048;

} // namespace

token_mask token_mask::of_list(std::vector<std::uint32_t> tokens, std::size_t vocabulary) {
  LARQL_CHECK(!tokens.empty() && tokens.back() < vocabulary);
  auto out = token_mask{};
  out.vocabulary_ = vocabulary;
  out.count_ = tokens.size();
  out.list_ = std::move(tokens);
  return out;
}

token_mask token_mask::of_bits(std::vector<std::uint64_t> bits, std::size_t vocabulary) {
  auto out = token_mask{};
  out.vocabulary_ = vocabulary;
  for (const auto word : bits)
    out.count_ += static_cast<std::size_t>(std::popcount(word));
  LARQL_CHECK(out.count_ > 0);
  if (out.count_ > few) {
    out.bits_ = std::move(bits);
    return out;
  }
  out.list_.reserve(out.count_);
  for (auto i = std::size_t{0}; i < bits.size(); ++i)
    for (auto word = bits[i]; word != 0; word &= word - 1)
      out.list_.push_back(
          static_cast<std::uint32_t>(i * 64 + static_cast<std::size_t>(std::countr_zero(word))));
  return out;
}

bool token_mask::allows(std::uint32_t token) const noexcept {
  if (is_list())
    return std::binary_search(list_.begin(), list_.end(), token);
  return token / 64 < bits_.size() && (bits_[token / 64] >> token % 64 & 1) != 0;
}

std::uint32_t token_mask::first() const noexcept {
  if (is_list())
    return list_.front();
  const auto word = std::find_if(bits_.begin(), bits_.end(), [](auto w) { return w != 0; });
  return static_cast<std::uint32_t>((word - bits_.begin()) * 64 + std::countr_zero(*word));
}

std::size_t token_mask::size_bytes() const noexcept {
  return sizeof *this + list_.capacity() * sizeof(std::uint32_t) +
         bits_.capacity() * sizeof(std::uint64_t);
}

} // namespace larql::grammar
