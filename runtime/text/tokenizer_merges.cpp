#include "runtime/text/tokenizer_merges.hpp"

#include "runtime/base/check.hpp"
#include "runtime/text/utf8.hpp"

#include <array>
#include <future>
#include <utility>

namespace larql::text {

namespace {

namespace ondemand = simdjson::ondemand;

using merge_sides = std::array<std::string_view, 2>;

/// The two sides of a merge, written ["a", "b"] or "a b". A token may be a space itself, so the
/// separator is the first space at or after byte 1.
result<merge_sides> sides_of_merge(const tokenizer_source& from, std::size_t index,
                                   ondemand::value value) {
  const auto where = [&] { return fmt::format("model.merges[{}]", index); };
  auto sides = merge_sides{};
  auto type = ondemand::json_type{};
  if (const auto error = value.type().get(type))
    return from.malformed(where(), error);
  if (type == ondemand::json_type::string) {
    auto line = std::string_view{};
    if (const auto error = value.get_string().get(line))
      return from.malformed(where(), error);
    const auto space = line.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == line.size())
      return fail(errc::corrupt, "{}: {} is {}, expected two tokens", from.name, where(),
                  in_quotes(line));
    return merge_sides{line.substr(0, space), line.substr(space + 1)};
  }
  auto pair = ondemand::array{};
  if (const auto error = value.get_array().get(pair))
    return from.unexpected(where(), "two tokens", value, error);
  auto count = std::size_t{0};
  for (auto side : pair) {
    auto item = ondemand::value{};
    auto text = std::string_view{};
    if (const auto error = side.get(item))
      return from.malformed(where(), error);
    if (const auto error = item.get_string().get(text))
      return from.unexpected(where(), "two tokens", item, error);
    if (count < sides.size())
      sides[count] = text;
    ++count;
  }
  if (count != sides.size())
    return fail(errc::corrupt, "{}: {} has {} elements, expected two tokens", from.name, where(),
                count);
  return sides;
}

/// Calls `start(how many)` and `visit(index, sides)` for every merge in order of rank. The views
/// hold during the call.
template <class Start, class Visit>
result<void> for_each_merge(tokenizer_source& from, Start&& start, Visit&& visit) {
  auto value = ondemand::value{};
  auto list = ondemand::array{};
  if (const auto error = from.document["model"]["merges"].get(value))
    return from.malformed("model.merges", error);
  if (const auto error = value.get_array().get(list))
    return from.unexpected("model.merges", "an array", value, error);
  auto count = std::size_t{0};
  if (const auto error = list.count_elements().get(count))
    return from.malformed("model.merges", error);
  if (count > bpe::max_merges)
    return fail(errc::corrupt, "{}: model.merges has {} elements, expected at most {}", from.name,
                count, bpe::max_merges);
  start(count);
  auto index = std::size_t{0};
  for (auto element : list) {
    auto merge = ondemand::value{};
    if (const auto error = element.get(merge))
      return from.malformed(fmt::format("model.merges[{}]", index), error);
    LARQL_TRY(const auto sides, sides_of_merge(from, index, merge));
    LARQL_TRY_VOID(visit(index, sides));
    ++index;
  }
  return {};
}

struct merge_ids {
  token_id left;
  token_id right;
  token_id merged;
};

/// For merges [begin, end); the index of the first that lacks a token, or `end`.
std::size_t find_tokens(const large_table<merge_hashes>& merges, std::size_t begin, std::size_t end,
                        const vocabulary& tokens, large_table<merge_ids>& out) {
  for (auto i = begin; i < end; ++i) {
    if (i + fetch_ahead < end) {
      const auto& later = merges[i + fetch_ahead];
      for (const auto hash : {later.left, later.right, later.merged})
        tokens.prefetch(hash);
    }
    const auto left = tokens.find(merges[i].left), right = tokens.find(merges[i].right);
    const auto merged = tokens.find(merges[i].merged);
    if (!left || !right || !merged)
      return i;
    out[i] = {*left, *right, *merged};
  }
  return end;
}

/// Reads merge `index` again, to say which of its tokens is missing.
failure missing_token(tokenizer_source& from, std::size_t index, const vocabulary& tokens) {
  from.document.rewind();
  const auto describe = [&](std::size_t i, const merge_sides& s) -> result<void> {
    if (i < index)
      return {};
    auto missing = std::string{s[0]}.append(s[1]);
    for (const auto side : {s[1], s[0]}) // the left one first
      if (!tokens.find(side))
        missing = side;
    return fail(errc::corrupt, "{}: model.merges[{}] is {} {}, but {} is not in model.vocab",
                from.name, i, in_quotes(s[0]), in_quotes(s[1]), in_quotes(missing));
  };
  auto found = for_each_merge(
      from, [](std::size_t) {}, describe);
  LARQL_CHECK(!found);
  return std::move(found).error();
}

// By two threads.
result<large_table<merge_ids>> find_tokens(const large_table<merge_hashes>& merges,
                                           const vocabulary& tokens, tokenizer_source& from) {
  auto out = large_table<merge_ids>(merges.size());
  const auto half = merges.size() / 2;
  auto second = std::async(std::launch::async,
                           [&] { return find_tokens(merges, half, merges.size(), tokens, out); });
  const auto first_end = find_tokens(merges, 0, half, tokens, out);
  const auto second_end = second.get();
  if (first_end < half)
    return missing_token(from, first_end, tokens);
  if (second_end < merges.size())
    return missing_token(from, second_end, tokens);
  return out;
}

} // namespace

result<large_table<merge_hashes>> read_merges(tokenizer_source& from) {
  auto out = large_table<merge_hashes>{};
  auto joined = std::string{};
  const auto reserve = [&](std::size_t count) { out.reserve(count); };
  const auto add = [&](std::size_t, const merge_sides& s) -> result<void> {
    joined.assign(s[0]).append(s[1]);
    out.push_back(
        {vocabulary::hash_of(s[0]), vocabulary::hash_of(s[1]), vocabulary::hash_of(joined)});
    return {};
  };
  LARQL_TRY_VOID(for_each_merge(from, reserve, add));
  return out;
}

result<void> add_merges(const large_table<merge_hashes>& merges, const vocabulary& tokens,
                        const added_tokens& added, tokenizer_source& from, bpe& out) {
  LARQL_TRY(const auto ids, find_tokens(merges, tokens, from));
  out.reserve(ids.size());
  for (auto i = std::size_t{0}; i < ids.size(); ++i) {
    if (i + fetch_ahead < ids.size())
      out.prefetch_merge(ids[i + fetch_ahead].left, ids[i + fetch_ahead].right);
    const auto [left, right, merged] = ids[i];
    if (auto done = out.add_merge(left, right, merged, added); !done)
      return std::move(done).error().in(fmt::format("{}: model.merges[{}] = {} {}", from.name, i,
                                                    in_quotes(tokens.piece(left)),
                                                    in_quotes(tokens.piece(right))));
  }
  return {};
}

} // namespace larql::text
