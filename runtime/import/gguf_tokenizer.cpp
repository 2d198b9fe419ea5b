#include "runtime/import/gguf_tokenizer.hpp"

#include "runtime/base/json.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>
#include <optional>

namespace larql::import {

namespace {

// Token types of the metadata. On disk: never change.
constexpr std::int64_t type_normal = 1;
constexpr std::int64_t type_unknown = 2;
constexpr std::int64_t type_control = 3;
constexpr std::int64_t type_user_defined = 4;
constexpr std::int64_t type_unused = 5;

constexpr std::string_view space_mark = "\xe2\x96\x81"; // U+2581

// Newline runs and similar are ordinary tokens; control tokens are found in raw text before BPE.
// Some files type <eos> as a normal token, so the well-known names count as control as well.
bool is_added(std::string_view token, std::int64_t type) {
  return type == type_control || type == type_user_defined || type == type_unknown ||
         (type == type_unused && !token.empty()) || token == "<eos>" || token == "<bos>" ||
         token == "<pad>";
}

// What the converter writes as a type, told by the name, for files that have no types: "<|turn>",
// "<turn|>", "<mask>"; the bytes "<0x0A>" are not found in text.
std::int64_t type_by_name(std::string_view token) {
  if (token == "<unk>")
    return type_unknown;
  const auto marked = token.starts_with("<|") || token.ends_with("|>");
  const auto in_brackets = token.size() > 2 && token.front() == '<' && token.back() == '>';
  return (marked && in_brackets) || token == "<mask>" ? type_control : type_normal;
}

result<std::vector<std::int64_t>> types_of(const gguf_metadata& m,
                                           const std::vector<std::string_view>& tokens) {
  constexpr auto key = std::string_view{"tokenizer.ggml.token_type"};
  auto out = std::vector<std::int64_t>{};
  if (!m.has(key)) {
    for (const auto token : tokens)
      out.push_back(type_by_name(token));
    return out;
  }
  LARQL_TRY(out, m.integers(key));
  if (out.size() != tokens.size())
    return fail(errc::corrupt, "{}: {} has {} entries, expected {}", m.file_name(), key, out.size(),
                tokens.size());
  return out;
}

// "left right": the separator is the first space at or after byte 1.
result<json> split_merge(std::string_view merge, std::size_t index, std::string_view file) {
  const auto space = merge.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == merge.size())
    return fail(errc::corrupt, "{}: tokenizer.ggml.merges[{}] is \"{}\", expected two parts", file,
                index, merge);
  return json::array({merge.substr(0, space), merge.substr(space + 1)});
}

// The form of Gemma's own tokenizer.json: BPE with byte fallback; spaces become U+2581.
json tokenizer_json(json vocabulary, json merges, json added) {
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", std::move(added)},
      {"normalizer",
       {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space_mark}}},
      {"pre_tokenizer",
       {{"type", "Split"},
        {"pattern", {{"String", " "}}},
        {"behavior", "MergedWithPrevious"},
        {"invert", false}}},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "Replace"}, {"pattern", {{"String", space_mark}}}, {"content", " "}},
          {{"type", "ByteFallback"}},
          {{"type", "Fuse"}}}}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"ignore_merges", false},
        {"vocab", std::move(vocabulary)},
        {"merges", std::move(merges)}}},
  };
}

result<text_file> make_tokenizer(const gguf_metadata& m,
                                 const std::vector<std::string_view>& tokens) {
  LARQL_TRY(const auto types, types_of(m, tokens));
  LARQL_TRY(const auto merge_lines, m.strings("tokenizer.ggml.merges"));
  auto vocabulary = json::object();
  auto added = json::array();
  for (auto id = std::size_t{0}; id < tokens.size(); ++id) {
    const auto token = std::string{tokens[id]};
    if (!vocabulary.emplace(token, id).second)
      return fail(errc::corrupt, "{}: tokenizer.ggml.tokens[{}] repeats \"{}\"", m.file_name(), id,
                  token);
    if (is_added(token, types[id]))
      added.push_back({{"id", id},
                       {"content", token},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", types[id] != type_user_defined}});
  }
  auto merges = json::array();
  for (auto i = std::size_t{0}; i < merge_lines.size(); ++i) {
    LARQL_TRY(auto merge, split_merge(merge_lines[i], i, m.file_name()));
    merges.push_back(std::move(merge));
  }
  const auto file = tokenizer_json(std::move(vocabulary), std::move(merges), std::move(added));
  try {
    return text_file{std::string{vindex::tokenizer_file}, file.dump()};
  } catch (const json::exception& e) { // a token that is not UTF-8
    return fail(errc::corrupt, "{}: tokenizer.ggml.tokens cannot be written as JSON: {}",
                m.file_name(), e.what());
  }
}

// The id under a key. None if there is no such token, which llama.cpp leaves out with a warning.
result<std::optional<std::uint64_t>> token_id(const gguf_metadata& m, std::string_view key,
                                              std::size_t tokens, std::vector<std::string>& notes) {
  if (!m.has(key))
    return std::optional<std::uint64_t>{};
  LARQL_TRY(const auto id, m.number(key));
  if (id >= 0 && id < static_cast<double>(tokens))
    return std::optional{static_cast<std::uint64_t>(id)};
  notes.push_back(fmt::format("{} is {}, which is no token of {}: left out", key, id, tokens));
  return std::optional<std::uint64_t>{};
}

result<std::vector<std::uint64_t>> stop_tokens(const gguf_metadata& m,
                                               const std::vector<std::string_view>& tokens,
                                               std::vector<std::string>& notes) {
  auto out = std::vector<std::uint64_t>{};
  for (const auto* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    LARQL_TRY(const auto id, token_id(m, key, tokens.size(), notes));
    if (id)
      out.push_back(*id);
  }
  // Files disagree on which one is "the" end: the family's set is by name.
  for (auto id = std::size_t{0}; id < tokens.size(); ++id)
    if (tokens[id] == "<eos>" || tokens[id] == "<turn|>" || tokens[id] == "<|tool_response>")
      out.push_back(id);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// llama.cpp's ways to say "all": a top_k below 0, a top_p of 1 and more.
result<void> add_sampling(const gguf_metadata& m, json& out) {
  const std::pair<const char*, const char*> numbers[] = {{"general.sampling.temp", "temperature"},
                                                         {"general.sampling.top_p", "top_p"},
                                                         {"general.sampling.top_k", "top_k"}};
  for (const auto& [key, field] : numbers) {
    if (!m.has(key))
      continue;
    LARQL_TRY(auto x, m.number(key));
    const auto name = std::string_view{field};
    if (x < 0 && name == "top_k")
      continue;
    if (!(x >= 0 && x <= vindex::max_vocab) || (x == 0 && name == "top_p"))
      return fail(errc::corrupt, "{}: key \"{}\" is {}, expected {} to {}", m.file_name(), key, x,
                  name == "top_p" ? "more than 0" : "0", vindex::max_vocab);
    if (name == "top_k")
      out[field] = static_cast<std::int64_t>(x);
    else
      out[field] = name == "top_p" ? std::min(x, 1.0) : x;
  }
  return {};
}

result<text_file> make_generation_config(const gguf_metadata& m,
                                         const std::vector<std::string_view>& tokens,
                                         std::vector<std::string>& notes) {
  LARQL_TRY(const auto stops, stop_tokens(m, tokens, notes));
  auto out = json{{"do_sample", true}, {"eos_token_id", stops}};
  if (constexpr auto key = std::string_view{"tokenizer.ggml.suppress_tokens"}; m.has(key)) {
    LARQL_TRY(const auto ids, m.integers(key));
    auto list = json::array();
    for (const auto id : ids)
      if (id >= 0 && static_cast<std::uint64_t>(id) < tokens.size())
        list.push_back(id);
    out["suppress_tokens"] = std::move(list);
  }
  LARQL_TRY_VOID(add_sampling(m, out));
  return text_file{std::string{vindex::generation_config_file}, out.dump(2) + "\n"};
}

// Text is cut into tokens by Gemma 4's rules; other rules would make other tokens of it.
result<void> check_rules(const gguf_metadata& m, const std::vector<std::string_view>& tokens,
                         std::vector<std::string>& notes) {
  if (constexpr auto key = std::string_view{"tokenizer.ggml.model"}; m.has(key)) {
    LARQL_TRY(const auto model, m.string(key));
    if (model != "gemma4")
      return fail(errc::unsupported, "{}: key \"{}\" is \"{}\", expected \"gemma4\"", m.file_name(),
                  key, model);
  }
  constexpr auto bos = std::string_view{"tokenizer.ggml.bos_token_id"};
  LARQL_TRY(const auto id, token_id(m, bos, tokens.size(), notes));
  if (id && tokens[*id] != "<bos>")
    return fail(errc::unsupported, "{}: key \"{}\" is {}, the token \"{}\", expected that of <bos>",
                m.file_name(), bos, *id, tokens[*id]);
  return {};
}

} // namespace

result<tokenizer_texts> tokenizer_files(const gguf_metadata& m, std::uint64_t rows) {
  constexpr auto key = std::string_view{"tokenizer.ggml.tokens"};
  auto out = tokenizer_texts{};
  if (!m.has(key))
    return out;
  if (!m.has("tokenizer.ggml.merges")) {
    out.notes.emplace_back(
        "has tokens, but no tokenizer.ggml.merges: text cannot be made into tokens");
    return out;
  }
  LARQL_TRY(const auto tokens, m.strings(key));
  if (tokens.size() > rows)
    return fail(errc::mismatch, "{}: {} has {} entries, but the embeddings have {} rows",
                m.file_name(), key, tokens.size(), rows);
  LARQL_TRY_VOID(check_rules(m, tokens, out.notes));
  LARQL_TRY(auto tokenizer, make_tokenizer(m, tokens));
  out.files.push_back(std::move(tokenizer));
  LARQL_TRY(auto generation, make_generation_config(m, tokens, out.notes));
  out.files.push_back(std::move(generation));
  if (m.has("tokenizer.chat_template")) {
    LARQL_TRY(const auto text, m.string("tokenizer.chat_template"));
    out.files.push_back({std::string{vindex::chat_template_file}, std::string{text}});
  }
  return out;
}

} // namespace larql::import
