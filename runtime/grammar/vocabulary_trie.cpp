#include "runtime/grammar/vocabulary_trie.hpp"

#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <utility>

namespace larql::grammar {

namespace {

constexpr std::uint32_t no_token = ~0u;

struct spelled {
  std::string_view text; // bytes; of a symbol beyond them, empty
  symbol control = 0;    // or such a symbol
  std::uint32_t token = 0;
};

bool is_plain(std::string_view text, text_kind kind) {
  while (!text.empty()) {
    const auto unit = text::next_utf8(text);
    if (unit.what != text::utf8_unit::kind::scalar)
      return false;
    if (kind == text_kind::json &&
        (unit.scalar < 0x20 || unit.scalar == U'"' || unit.scalar == U'\\'))
      return false;
    text.remove_prefix(unit.length);
  }
  return true;
}

void set_bit(std::vector<std::uint64_t>& bits, std::uint32_t i) {
  bits[i / 64] |= std::uint64_t{1} << i % 64;
}

// @pre sorted by text, those of control symbols last
vocabulary_trie::tree tree_of(std::span<const spelled> sorted) {
  auto out = vocabulary_trie::tree{};
  auto open = std::vector<std::size_t>{}; // nodes from the root to the last one
  const auto close_to = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back())
      out.nodes[open.back()].end = static_cast<std::uint32_t>(out.nodes.size());
  };
  const auto add = [&](symbol s) {
    out.nodes.push_back({0, static_cast<std::uint32_t>(out.tokens.size()), s,
                         static_cast<std::uint16_t>(open.size())});
    open.push_back(out.nodes.size() - 1);
  };
  auto before = std::string_view{};
  for (const auto& t : sorted) {
    if (t.text.empty()) {
      close_to(0);
      add(t.control);
      before = {};
    } else {
      const auto common = static_cast<std::size_t>(
          std::mismatch(t.text.begin(), t.text.end(), before.begin(), before.end()).first -
          t.text.begin());
      close_to(common);
      for (auto i = common; i < t.text.size(); ++i)
        add(static_cast<unsigned char>(t.text[i]));
      before = t.text;
    }
    out.tokens.push_back(t.token);
  }
  close_to(0);
  out.nodes.push_back({0, static_cast<std::uint32_t>(out.tokens.size()), 0, 0});
  return out;
}

} // namespace

vocabulary_trie::vocabulary_trie(const text::tokenizer& tokens)
    : tokens_(&tokens), vocabulary_(tokens.size()) {
  control_.fill(no_token);
  const auto words = (vocabulary_ + 63) / 64;
  text_.resize(words);
  for (auto& bits : plain_)
    bits.resize(words);
  auto arena = std::string{};
  auto ranges = std::vector<std::pair<std::size_t, std::uint32_t>>{}; // begin, token
  for (auto id = std::uint32_t{0}; id < vocabulary_; ++id) {
    if (tokens.is_control(id))
      continue;
    const auto begin = arena.size();
    tokens.append_bytes(id, text::special_tokens::keep, arena);
    if (arena.size() == begin || arena.size() - begin > 60'000)
      arena.resize(begin); // one of nothing would not move on
    else
      ranges.emplace_back(begin, id);
  }
  auto all = std::vector<spelled>{};
  all.reserve(ranges.size() + control_.size());
  for (auto i = std::size_t{0}; i < ranges.size(); ++i) {
    const auto end = i + 1 < ranges.size() ? ranges[i + 1].first : arena.size();
    const auto text = std::string_view{arena}.substr(ranges[i].first, end - ranges[i].first);
    all.push_back({text, 0, ranges[i].second});
    longest_ = std::max(longest_, static_cast<std::uint32_t>(text.size()));
    set_bit(text_, ranges[i].second);
  }
  std::sort(all.begin(), all.end(), [](const spelled& a, const spelled& b) {
    return a.text != b.text ? a.text < b.text : a.token < b.token;
  });
  const auto add_control = [&](symbol s, std::string_view piece) {
    const auto id = tokens.find(piece);
    if (!id || !tokens.is_control(*id))
      return;
    all.push_back({{}, s, *id});
    control_[s - 256u] = *id;
  };
  add_control(quote_symbol, "<|\"|>");
  add_control(call_end_symbol, "<tool_call|>");
  all_ = tree_of(all);
  for (const auto kind : {text_kind::json, text_kind::any}) {
    auto others = std::vector<spelled>{};
    for (const auto& t : all)
      if (!t.text.empty() && is_plain(t.text, kind))
        set_bit(plain_[static_cast<std::size_t>(kind)], t.token);
      else
        others.push_back(t);
    others_[static_cast<std::size_t>(kind)] = tree_of(others);
  }
  others_[0] = tree_of({});
}

void vocabulary_trie::symbols_of(std::uint32_t token, std::vector<symbol>& out) const {
  out.clear();
  for (auto i = std::size_t{0}; i < control_.size(); ++i)
    if (control_[i] == token) {
      out.push_back(static_cast<symbol>(256 + i));
      return;
    }
  if (token >= vocabulary_ || tokens_->is_control(token))
    return;
  auto text = std::string{};
  tokens_->append_bytes(token, text::special_tokens::keep, text);
  for (const auto c : text)
    out.push_back(static_cast<unsigned char>(c));
}

} // namespace larql::grammar
