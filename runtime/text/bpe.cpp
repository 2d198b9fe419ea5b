#include "runtime/text/bpe.hpp"

#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <functional>

namespace larql::text {

namespace {

constexpr auto none = ~std::uint32_t{0};

} // namespace

/// An element of the linked list: a part of the word that is one token by now. Its place in the
/// vector is that of its first scalar and never changes, so places compare like positions.
struct bpe::symbol {
  token_id id;
  std::uint32_t previous; // places of the neighbours, or `none`
  std::uint32_t next;
  std::uint32_t rank; // of the merge with `next`; `none` if there is none or the symbol is gone
  token_id merged;    // what that merge makes
};

result<bpe> bpe::build(const vocabulary& tokens, const added_tokens& added,
                       const tokenizer_rules& rules) {
  auto out = bpe{};
  out.byte_fallback_ = rules.byte_fallback;
  out.fuse_unknown_ = rules.fuse_unknown;
  for (auto byte = 0u; rules.byte_fallback && byte < out.bytes_.size(); ++byte) {
    const auto name = fmt::format("<0x{:02X}>", byte);
    const auto id = tokens.find(name);
    if (!id)
      return fail(errc::corrupt, "model.byte_fallback is true, but no token is {}",
                  in_quotes(name));
    out.bytes_[byte] = *id;
  }
  if (!rules.unknown.empty()) {
    const auto id = tokens.find(rules.unknown);
    if (!id)
      return fail(errc::corrupt, "model.unk_token is {}, but no token is",
                  in_quotes(rules.unknown));
    out.unknown_ = *id;
  }
  for (auto id = token_id{0}; id < tokens.size(); ++id) {
    const auto piece = tokens.piece(id);
    if (piece.empty() || added.is_control(id))
      continue;
    const auto unit = next_utf8(piece);
    if (unit.what != utf8_unit::kind::scalar || unit.length != piece.size())
      continue;
    if (out.scalars_.insert(unit.scalar, id) != flat_map<token_id>::insertion::done)
      return fail(errc::corrupt, "token {} and many others have nearly the same hash",
                  in_quotes(piece));
  }
  return out;
}

result<void> bpe::add_merge(token_id left, token_id right, token_id merged,
                            const added_tokens& added) {
  using insertion = flat_map<merge>::insertion;
  if (ranks_ == max_merges)
    return fail(errc::corrupt, "more than {} merges", max_merges);
  const auto rank = ranks_++;
  if (added.is_control(merged))
    return {};
  switch (merges_.insert(pair_of(left, right), {rank, merged})) {
  case insertion::done: return {};
  case insertion::present: return fail(errc::corrupt, "the same pair is listed before");
  case insertion::crowded: break;
  }
  return fail(errc::corrupt, "this and many other pairs have nearly the same hash");
}

std::vector<bpe::symbol> bpe::symbols_of(std::string_view word) const {
  auto out = std::vector<symbol>{};
  out.reserve(word.size());
  auto last_is_unknown = false;
  const auto add = [&](token_id id) { out.push_back({id, none, none, none, 0}); };
  while (!word.empty()) {
    const auto unit = next_utf8(word);
    const auto* id = unit.what == utf8_unit::kind::scalar ? scalars_.find(unit.scalar) : nullptr;
    if (id != nullptr)
      add(*id);
    else if (byte_fallback_)
      for (const auto byte : word.substr(0, unit.length))
        add(bytes_[static_cast<unsigned char>(byte)]);
    else if (!last_is_unknown || !fuse_unknown_)
      add(unknown_);
    last_is_unknown = id == nullptr;
    word.remove_prefix(unit.length);
  }
  for (auto i = std::size_t{0}; i + 1 < out.size(); ++i) {
    out[i].next = static_cast<std::uint32_t>(i + 1);
    out[i + 1].previous = static_cast<std::uint32_t>(i);
  }
  return out;
}

/// The list of symbols with the candidates: rank and place in one number, so that the smallest is
/// the lowest rank, then the leftmost. A candidate whose rank is no longer that of its symbol is
/// stale: a neighbour has changed since.
class bpe::merging {
public:
  merging(const flat_map<merge>& merges, std::vector<symbol> symbols)
      : merges_(merges), symbols_(std::move(symbols)) {
    candidates_.reserve(symbols_.size());
    for (auto place = std::uint32_t{0}; place < symbols_.size(); ++place)
      if (weigh(place))
        candidates_.push_back(candidate(place));
    std::make_heap(candidates_.begin(), candidates_.end(), std::greater{});
  }

  std::size_t run() {
    while (!candidates_.empty()) {
      const auto best = candidates_.front();
      std::pop_heap(candidates_.begin(), candidates_.end(), std::greater{});
      candidates_.pop_back();
      const auto place = static_cast<std::uint32_t>(best);
      if (symbols_[place].rank == best >> 32)
        merge_with_next(place);
    }
    return weighed_;
  }

  void append_to(std::vector<token_id>& out) const {
    for (auto place = symbols_.empty() ? none : 0; place != none; place = symbols_[place].next)
      out.push_back(symbols_[place].id);
  }

private:
  [[nodiscard]] std::uint64_t candidate(std::uint32_t place) const {
    return std::uint64_t{symbols_[place].rank} << 32 | place;
  }

  // Looks up the merge of a symbol with its next; false if there is none.
  bool weigh(std::uint32_t place) {
    auto& s = symbols_[place];
    s.rank = none;
    if (s.next == none)
      return false;
    ++weighed_;
    const auto* m = merges_.find(pair_of(s.id, symbols_[s.next].id));
    if (m == nullptr)
      return false;
    s.rank = m->rank;
    s.merged = m->merged;
    return true;
  }

  void weigh_again(std::uint32_t place) {
    if (!weigh(place))
      return;
    candidates_.push_back(candidate(place));
    std::push_heap(candidates_.begin(), candidates_.end(), std::greater{});
  }

  void merge_with_next(std::uint32_t place) {
    auto& s = symbols_[place];
    auto& gone = symbols_[s.next];
    s.id = s.merged;
    s.next = gone.next;
    gone.rank = none;
    if (s.next != none)
      symbols_[s.next].previous = place;
    weigh_again(place);
    if (s.previous != none)
      weigh_again(s.previous);
  }

  const flat_map<merge>& merges_;
  std::vector<symbol> symbols_;
  std::vector<std::uint64_t> candidates_; // a heap, smallest first
  std::size_t weighed_ = 0;
};

std::size_t bpe::encode(std::string_view word, std::vector<token_id>& out) const {
  auto work = merging{merges_, symbols_of(word)};
  const auto weighed = work.run();
  work.append_to(out);
  return weighed;
}

} // namespace larql::text
