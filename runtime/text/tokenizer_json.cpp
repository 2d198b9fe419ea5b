#include "runtime/text/tokenizer_json.hpp"

#include "runtime/base/large_table.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/text/tokenizer_sections.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <simdjson.h>
#include <unistd.h>
#include <utility>

namespace larql::text {

namespace {

namespace ondemand = simdjson::ondemand;

// Sections read as ordinary JSON. The largest is added_tokens: 1 MB in Gemma 3, 5 KB in Gemma 4.
constexpr auto max_section_bytes = std::size_t{8} << 20;

/// A document being read. simdjson checks as it goes: what was not visited may still be malformed.
struct source {
  const std::string& name;
  ondemand::document document;

  [[nodiscard]] failure malformed(std::string_view where, simdjson::error_code code) const {
    return fail(errc::corrupt, "{}: {}: not valid JSON: {}", name, where,
                simdjson::error_message(code));
  }
  /// Why a value could not be read as what was expected.
  [[nodiscard]] failure unexpected(std::string_view where, std::string_view expected,
                                   ondemand::value found, simdjson::error_code code) const {
    if (code != simdjson::INCORRECT_TYPE && code != simdjson::NUMBER_ERROR)
      return malformed(where, code);
    const auto shown = in_quotes(found.raw_json_token()); // JSON has its own quotes
    return fail(errc::corrupt, "{}: {} is {}, expected {}", name, where,
                std::string_view{shown}.substr(1, shown.size() - 2), expected);
  }
};

/// Calls `visit(key, value)` for every field of an object.
template <class Visit>
result<void> for_each_field(const source& from, std::string_view where, ondemand::object object,
                            Visit&& visit) {
  for (auto field : object) {
    auto key = std::string_view{};
    auto value = ondemand::value{};
    if (const auto error = field.unescaped_key().get(key))
      return from.malformed(where, error);
    if (const auto error = field.value().get(value))
      return from.malformed(where, error);
    LARQL_TRY_VOID(visit(key, value));
  }
  return {};
}

/// A small section, as ordinary JSON in `out[key]`.
result<void> read_section(const source& from, std::string_view where, std::string_view key,
                          ondemand::value value, json& out) {
  const auto field = fmt::format("{}{}", where, key);
  auto raw = std::string_view{};
  if (const auto error = simdjson::to_json_string(value).get(raw))
    return from.malformed(field, error);
  if (raw.size() > max_section_bytes)
    return fail(errc::corrupt, "{}: {}: {} bytes, expected at most {}", from.name, field,
                raw.size(), max_section_bytes);
  auto& section = out[std::string{key}];
  LARQL_TRY(section, parse_json(raw, fmt::format("{}: {}", from.name, field)));
  return {};
}

// The tables are larger than the near caches, and tokens and merges are all over them: the places
// of the next ones are fetched ahead.
constexpr auto fetch_ahead = std::size_t{16};

/// Adds tokens a few calls late, when their places in the table have come.
class delayed_tokens {
public:
  explicit delayed_tokens(vocabulary& out) : out_(out) {}

  result<void> add(std::string_view piece, std::uint64_t id) {
    auto& place = waiting_[count_++ % fetch_ahead];
    const auto due = std::exchange(place, {piece, id, vocabulary::hash_of(piece)});
    out_.prefetch(place.hash);
    return count_ > fetch_ahead ? out_.add(due.piece, due.id, due.hash) : result<void>{};
  }
  result<void> add_rest() {
    for (auto i = count_ - std::min(count_, fetch_ahead); i < count_; ++i) {
      const auto& due = waiting_[i % fetch_ahead];
      LARQL_TRY_VOID(out_.add(due.piece, due.id, due.hash));
    }
    return {};
  }

private:
  struct token {
    std::string_view piece;
    std::uint64_t id = 0;
    vocabulary::text_hash hash = 0;
  };
  vocabulary& out_;
  std::array<token, fetch_ahead> waiting_;
  std::size_t count_ = 0;
};

result<vocabulary> read_vocabulary(const source& from, ondemand::value value) {
  auto out = vocabulary{};
  auto object = ondemand::object{};
  if (const auto error = value.get_object().get(object))
    return from.unexpected("model.vocab", "an object of ids by token", value, error);
  auto count = std::size_t{0};
  if (const auto error = object.count_fields().get(count))
    return from.malformed("model.vocab", error);
  out.reserve(count);
  auto tokens = delayed_tokens{out};
  const auto checked = [&](result<void> added) -> result<void> {
    if (added)
      return {};
    return std::move(added).error().in(fmt::format("{}: model.vocab", from.name));
  };
  const auto read_token = [&](std::string_view piece, ondemand::value field) -> result<void> {
    auto id = std::uint64_t{0};
    if (const auto error = field.get_uint64().get(id))
      return from.unexpected(fmt::format("model.vocab: id of {}", in_quotes(piece)),
                             "a non-negative integer", field, error);
    return checked(tokens.add(piece, id));
  };
  LARQL_TRY_VOID(for_each_field(from, "model.vocab", object, read_token));
  LARQL_TRY_VOID(checked(tokens.add_rest()));
  return out;
}

/// Everything but the merges.
struct head {
  json sections = json::object(); // the small ones, with the scalars of "model"
  vocabulary tokens;
};

constexpr auto model_scalars = std::array<std::string_view, 8>{
    "type",     "dropout",       "unk_token",    "continuing_subword_prefix", "end_of_word_suffix",
    "fuse_unk", "byte_fallback", "ignore_merges"};
constexpr auto small_sections =
    std::array<std::string_view, 4>{"added_tokens", "normalizer", "pre_tokenizer", "decoder"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

failure not_once(const source& from, std::string_view field, unsigned times) {
  return fail(errc::corrupt, "{}: field \"{}\" appears {} times, expected once", from.name, field,
              times);
}

result<void> read_model(const source& from, ondemand::value value, head& out) {
  auto object = ondemand::object{};
  if (const auto error = value.get_object().get(object))
    return from.unexpected("model", "an object", value, error);
  auto vocabularies = 0u, merges = 0u;
  auto& model = out.sections["model"] = json::object();
  const auto read_field = [&](std::string_view key, ondemand::value field) -> result<void> {
    if (key == "merges")
      ++merges; // read later, when all tokens are known
    if (key == "vocab" && ++vocabularies == 1) {
      LARQL_TRY(out.tokens, read_vocabulary(from, field));
    }
    if (is_one_of(model_scalars, key))
      return read_section(from, "model.", key, field, model);
    return {};
  };
  LARQL_TRY_VOID(for_each_field(from, "model", object, read_field));
  if (vocabularies != 1)
    return not_once(from, "model.vocab", vocabularies);
  if (merges != 1)
    return not_once(from, "model.merges", merges);
  return {};
}

result<head> read_head(source& from) {
  auto root = ondemand::object{};
  if (const auto error = from.document.get_object().get(root))
    return fail(errc::corrupt, "{}: expected a JSON object: {}", from.name,
                simdjson::error_message(error));
  auto out = head{};
  auto models = 0u;
  const auto read_field = [&](std::string_view key, ondemand::value field) -> result<void> {
    if (key == "model" && ++models == 1)
      return read_model(from, field, out);
    if (is_one_of(small_sections, key))
      return read_section(from, "", key, field, out.sections);
    return {};
  };
  LARQL_TRY_VOID(for_each_field(from, "the file", root, read_field));
  if (models != 1)
    return not_once(from, "model", models);
  // At the end of the document there is no location any more.
  if (from.document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    return fail(errc::corrupt, "{}: more text after the JSON object", from.name);
  return out;
}

using merge_sides = std::array<std::string_view, 2>;

/// The two sides of a merge, written ["a", "b"] or "a b". A token may be a space itself, so the
/// separator is the first space at or after byte 1.
result<merge_sides> sides_of_merge(const source& from, std::size_t index, ondemand::value value) {
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

/// Of the texts of a merge's two sides and of what they become.
struct merge_hashes {
  vocabulary::text_hash left;
  vocabulary::text_hash right;
  vocabulary::text_hash merged;
};

/// Calls `start(how many)` and `visit(index, sides)` for every merge in order of rank. The views
/// hold during the call.
template <class Start, class Visit>
result<void> for_each_merge(source& from, Start&& start, Visit&& visit) {
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

/// All merges in order of rank, as hashes, which are made while another thread reads the
/// vocabulary.
result<large_table<merge_hashes>> read_merges(source& from) {
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
failure missing_token(source& from, std::size_t index, const vocabulary& tokens) {
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
                                           const vocabulary& tokens, source& from) {
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

result<void> add_merges(const large_table<merge_ids>& merges, const std::string& name,
                        tokenizer_parts& out) {
  out.merges.reserve(merges.size());
  for (auto i = std::size_t{0}; i < merges.size(); ++i) {
    if (i + fetch_ahead < merges.size())
      out.merges.prefetch_merge(merges[i + fetch_ahead].left, merges[i + fetch_ahead].right);
    const auto [left, right, merged] = merges[i];
    if (auto added = out.merges.add_merge(left, right, merged, out.added); !added)
      return std::move(added).error().in(fmt::format("{}: model.merges[{}] = {} {}", name, i,
                                                     in_quotes(out.tokens.piece(left)),
                                                     in_quotes(out.tokens.piece(right))));
  }
  return {};
}

/// Tokens that are only added get their ids too; those that are in the vocabulary as well must
/// agree.
result<void> join(const std::vector<added_token>& added, const std::string& name, vocabulary& out) {
  for (auto i = std::size_t{0}; i < added.size(); ++i) {
    const auto& token = added[i];
    if (const auto known = out.find(token.content)) {
      if (*known != token.id)
        return fail(errc::corrupt, "{}: added_tokens[{}]: {} has id {}, but {} in model.vocab",
                    name, i, in_quotes(token.content), token.id, *known);
    } else if (auto done = out.add(token.content, token.id); !done) {
      return std::move(done).error().in(fmt::format("{}: added_tokens[{}]", name, i));
    }
  }
  return {};
}

result<tokenizer_parts> read(simdjson::padded_string_view text, const std::string& name) {
  // The merges are read by a second thread, with a parser of its own, while the vocabulary is.
  auto parser = ondemand::parser{}, merge_parser = ondemand::parser{};
  auto from = source{name, {}}, merges_from = source{name, {}};
  auto reading = std::async(std::launch::async, [&]() -> result<large_table<merge_hashes>> {
    if (const auto error = merge_parser.iterate(text).get(merges_from.document))
      return merges_from.malformed("the file", error);
    return read_merges(merges_from);
  });
  if (const auto error = parser.iterate(text).get(from.document))
    return from.malformed("the file", error);
  LARQL_TRY(auto head, read_head(from));
  auto out = tokenizer_parts{};
  LARQL_TRY(out.rules, read_tokenizer_rules(head.sections, name));
  out.tokens = std::move(head.tokens);
  LARQL_TRY(auto added, read_added_tokens(head.sections["added_tokens"], name + ": added_tokens"));
  LARQL_TRY_VOID(join(added, name, out.tokens));
  if (auto complete = out.tokens.check_complete(); !complete)
    return std::move(complete).error().in(name);
  auto built = added_tokens::build(std::move(added), out.rules.normalizer, out.tokens.size());
  if (!built)
    return std::move(built).error().in(name + ": added_tokens");
  out.added = *std::move(built);
  auto merges = bpe::build(out.tokens, out.added, out.rules);
  if (!merges)
    return std::move(merges).error().in(name);
  out.merges = *std::move(merges);
  LARQL_TRY(const auto hashes, reading.get());
  LARQL_TRY(const auto ids, find_tokens(hashes, out.tokens, merges_from));
  LARQL_TRY_VOID(add_merges(ids, name, out));
  return out;
}

result<void> check_size(std::uint64_t bytes, const std::string& name) {
  if (bytes > max_tokenizer_bytes)
    return fail(errc::corrupt, "{}: size is {} bytes, expected at most {}", name, bytes,
                max_tokenizer_bytes);
  return {};
}

} // namespace

result<tokenizer_parts> parse_tokenizer_json(std::string_view text, std::string_view name) {
  const auto file_name = std::string{name};
  LARQL_TRY_VOID(check_size(text.size(), file_name));
  const auto padded = simdjson::padded_string{text};
  return read(padded, file_name);
}

// simdjson reads a little beyond the text. The last page of a mapping is filled with zeros, so most
// files can be read where they are; the rest are copied.
result<tokenizer_parts> read_tokenizer_file(const std::filesystem::path& path) {
  LARQL_TRY(const auto in, file::open(path));
  LARQL_TRY_VOID(check_size(in.size_bytes(), path.string()));
  const auto size = static_cast<std::size_t>(in.size_bytes());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto room = (page - size % page) % page;
  LARQL_TRY(const auto map, in.map_all(access_pattern::sequential));
  const auto* text = reinterpret_cast<const char*>(map.bytes().data());
  if (room >= simdjson::SIMDJSON_PADDING)
    return read(simdjson::padded_string_view{text, size, size + room}, path.string());
  return read(simdjson::padded_string{text, size}, path.string());
}

} // namespace larql::text
