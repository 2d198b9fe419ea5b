#include "runtime/experts/known_answers.hpp"

#include <algorithm>
#include <bit>

namespace larql::experts {

namespace {

static_assert(std::endian::native == std::endian::little, "the digest is over little-endian sums");

// Enough experts to keep all threads at work, few enough that their sums stay in the cache.
constexpr std::size_t experts_at_once = 8;

// The numbers of one row, from splitmix64. Every step is exact, so they are the same bits
// everywhere.
//
// A change of a weight shows if it moves a hidden value across the edge of one of the 255 steps
// that its block is rounded to. Three things make that as likely as sixteen rows can:
// * all numbers of a row are about as large, so that each weight has as much influence as another;
// * they are small, so that the activation function is about linear: where gates are large, half of
//   the hidden values are next to nothing and tell nothing;
// * one row in four has each of four sizes, so that this holds for weights of any usual size.
class input_source {
public:
  explicit input_source(std::uint32_t row)
      : state_(0x6c6172716c000000u + (std::uint64_t{row} << 32)),
        unit_(1.0f / static_cast<float>(1u << (18 + row % 4))) {}

  float next() {
    state_ += 0x9e3779b97f4a7c15u;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const auto magnitude = static_cast<std::int32_t>(0xc000 + (z & 0x3fff)); // 3/4 of 2^16 and more
    return static_cast<float>(z >> 63 != 0 ? -magnitude : magnitude) * unit_;
  }

private:
  std::uint64_t state_;
  float unit_;
};

} // namespace

std::vector<float> known_answer_inputs(std::uint32_t hidden) {
  auto out = std::vector<float>{};
  out.reserve(std::size_t{known_answer_rows} * hidden);
  for (auto r = 0u; r < known_answer_rows; ++r) {
    auto source = input_source{r};
    for (auto i = 0u; i < hidden; ++i)
      out.push_back(source.next());
  }
  return out;
}

vindex::answer_digest digest_of_answer(std::span<const std::int64_t> sums) {
  auto hash = sha256{};
  hash.update(std::as_bytes(sums));
  const auto whole = hash.finish();
  auto out = vindex::answer_digest{};
  std::copy_n(whole.begin(), out.size(), out.begin());
  return out;
}

known_answers::known_answers(kernels::compute compute, const expert_bank& bank)
    : compute_(compute),
      bank_(bank),
      experts_(compute, bank),
      hidden_(bank.get(bank.owned().layers.first, bank.owned().experts.first).gate.cols),
      inputs_(known_answer_inputs(hidden_)) {}

result<void> known_answers::compute_some(std::uint32_t layer,
                                         std::span<const std::uint32_t> experts) {
  const auto rows = known_answer_rows * static_cast<std::uint32_t>(experts.size());
  rows_.reset(bank_.input_format(layer), rows, hidden_);
  assignments_.clear();
  for (auto i = 0u; i < rows; ++i) {
    const auto input = std::size_t{i % known_answer_rows} * hidden_;
    rows_.set_row(compute_.k, i, std::span{inputs_}.subspan(input, hidden_));
    assignments_.push_back({i, experts[i / known_answer_rows], 1});
  }
  sums_.assign(std::size_t{rows} * hidden_, 0);
  return experts_.run(layer, rows_.view(), assignments_, sums_);
}

std::vector<result<vindex::answer_digest>>
known_answers::of(std::uint32_t layer, std::span<const std::uint32_t> experts) {
  auto out = std::vector<result<vindex::answer_digest>>{};
  const auto each = std::size_t{known_answer_rows} * hidden_;
  for (auto first = std::size_t{0}; first < experts.size(); first += experts_at_once) {
    const auto some = experts.subspan(first, std::min(experts_at_once, experts.size() - first));
    if (compute_some(layer, some)) {
      for (auto i = std::size_t{0}; i < some.size(); ++i)
        out.emplace_back(digest_of_answer(std::span{sums_}.subspan(i * each, each)));
      continue;
    }
    for (auto i = std::size_t{0}; i < some.size(); ++i) // one of them is damaged: which?
      if (auto ok = compute_some(layer, some.subspan(i, 1)); ok)
        out.emplace_back(digest_of_answer(std::span{sums_}.first(each)));
      else
        out.emplace_back(std::move(ok).error());
  }
  return out;
}

} // namespace larql::experts
