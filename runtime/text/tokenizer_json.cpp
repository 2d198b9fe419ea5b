#include "runtime/text/tokenizer_json.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/text/tokenizer_merges.hpp"
#include "runtime/text/tokenizer_sections.hpp"
#include "runtime/text/tokenizer_source.hpp"
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

result<vocabulary> read_vocabulary(const tokenizer_source& from, ondemand::value value) {
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

failure not_once(const tokenizer_source& from, std::string_view field, unsigned times) {
  return fail(errc::corrupt, "{}: field \"{}\" appears {} times, expected once", from.name, field,
              times);
}

result<void> read_model(const tokenizer_source& from, ondemand::value value, head& out) {
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

result<head> read_head(tokenizer_source& from) {
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
  auto from = tokenizer_source{name, {}}, merges_from = tokenizer_source{name, {}};
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
  LARQL_TRY_VOID(add_merges(hashes, out.tokens, out.added, merges_from, out.merges));
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
