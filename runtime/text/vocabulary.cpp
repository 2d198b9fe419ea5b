#include "runtime/text/vocabulary.hpp"

#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <functional>

namespace larql::text {

vocabulary::text_hash vocabulary::hash_of(std::string_view text) noexcept {
  const auto h = text_hash{std::hash<std::string_view>{}(text)};
  return h == ~0ull ? 0 : h; // all ones marks a free slot of the table
}

result<void> vocabulary::add(std::string_view piece, std::uint64_t id, text_hash hash) {
  using insertion = flat_map<token_id>::insertion;
  if (id >= max_tokens)
    return fail(errc::corrupt, "token {} has id {}, expected an id below {}", in_quotes(piece), id,
                max_tokens);
  if (id >= pieces_.size())
    pieces_.resize(id + 1);
  auto& range = pieces_[id];
  if (range.length != no_piece)
    return fail(errc::corrupt, "id {} belongs to two tokens, {} and {}", id,
                in_quotes(this->piece(static_cast<token_id>(id))), in_quotes(piece));
  if (arena_.size() + piece.size() >= no_piece)
    return fail(errc::corrupt, "the texts of all tokens are longer than {} bytes", no_piece);
  switch (ids_by_text_hash_.insert(hash, static_cast<token_id>(id))) {
  case insertion::done: break;
  case insertion::present:
    if (const auto first = find(piece))
      return fail(errc::corrupt, "token {} has two ids, {} and {}", in_quotes(piece), *first, id);
    return fail(errc::corrupt, "token {} and another have the same 64-bit hash", in_quotes(piece));
  case insertion::crowded:
    return fail(errc::corrupt, "token {} and many others have nearly the same hash",
                in_quotes(piece));
  }
  range = {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(piece.size())};
  arena_ += piece;
  return {};
}

result<void> vocabulary::check_complete() const {
  const auto gap = std::find_if(pieces_.begin(), pieces_.end(),
                                [](const piece_range& r) { return r.length == no_piece; });
  if (gap != pieces_.end())
    return fail(errc::corrupt, "no token has id {}, but there are ids up to {}; expected no gaps",
                gap - pieces_.begin(), pieces_.size() - 1);
  return {};
}

std::optional<token_id> vocabulary::find(text_hash hash) const noexcept {
  const auto* id = ids_by_text_hash_.find(hash);
  return id == nullptr ? std::nullopt : std::optional{*id};
}

std::optional<token_id> vocabulary::find(std::string_view piece) const noexcept {
  const auto* id = ids_by_text_hash_.find(hash_of(piece));
  if (id == nullptr || this->piece(*id) != piece)
    return std::nullopt;
  return *id;
}

} // namespace larql::text
