#include "runtime/import/gguf_tokenizer.hpp"

#include "runtime/base/json.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::import {

namespace {

// Token types of the metadata. On disk: never change.
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

result<text_file> make_tokenizer(const gguf_metadata& m) {
  LARQL_TRY(const auto tokens, m.strings("tokenizer.ggml.tokens"));
  LARQL_TRY(const auto types, m.integers("tokenizer.ggml.token_type"));
  LARQL_TRY(const auto merge_lines, m.strings("tokenizer.ggml.merges"));
  if (types.size() != tokens.size())
    return fail(errc::corrupt, "{}: tokenizer.ggml.token_type has {} entries, expected {}",
                m.file_name(), types.size(), tokens.size());
  if (tokens.size() > vindex::max_vocab)
    return fail(errc::corrupt, "{}: tokenizer.ggml.tokens has {} entries, at most {} expected",
                m.file_name(), tokens.size(), vindex::max_vocab);
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

result<text_file> make_generation_config(const gguf_metadata& m) {
  auto stops = std::vector<std::uint64_t>{};
  for (const auto* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
    if (m.has(key)) {
      LARQL_TRY(const auto id, m.unsigned_integer(key));
      stops.push_back(id);
    }
  if (m.has("tokenizer.ggml.tokens")) {
    // Files disagree on which one is "the" end: the family's set is by name.
    LARQL_TRY(const auto tokens, m.strings("tokenizer.ggml.tokens"));
    for (auto id = std::size_t{0}; id < tokens.size(); ++id)
      if (tokens[id] == "<eos>" || tokens[id] == "<turn|>" || tokens[id] == "<|tool_response>")
        stops.push_back(id);
  }
  std::sort(stops.begin(), stops.end());
  stops.erase(std::unique(stops.begin(), stops.end()), stops.end());
  auto out = json{{"do_sample", true}, {"eos_token_id", stops}};
  const std::pair<const char*, const char*> numbers[] = {{"general.sampling.temp", "temperature"},
                                                         {"general.sampling.top_p", "top_p"},
                                                         {"general.sampling.top_k", "top_k"}};
  for (const auto& [key, name] : numbers)
    if (m.has(key)) {
      LARQL_TRY(const auto x, m.number(key));
      if (x < 0 && std::string_view{name} == "top_k")
        continue; // llama.cpp's way to say "all"
      if (!(x >= 0 && x <= vindex::max_vocab))
        return fail(errc::corrupt, "{}: key \"{}\" is {}, expected 0 to {}", m.file_name(), key, x,
                    vindex::max_vocab);
      if (std::string_view{name} == "top_k")
        out[name] = static_cast<std::int64_t>(x);
      else
        out[name] = x;
    }
  return text_file{std::string{vindex::generation_config_file}, out.dump(2) + "\n"};
}

} // namespace

result<std::vector<text_file>> tokenizer_files(const gguf_metadata& m) {
  auto out = std::vector<text_file>{};
  if (!m.has("tokenizer.ggml.tokens") || !m.has("tokenizer.ggml.merges"))
    return out;
  LARQL_TRY(auto tokenizer, make_tokenizer(m));
  out.push_back(std::move(tokenizer));
  LARQL_TRY(auto generation, make_generation_config(m));
  out.push_back(std::move(generation));
  if (m.has("tokenizer.chat_template")) {
    LARQL_TRY(const auto text, m.string("tokenizer.chat_template"));
    out.push_back({std::string{vindex::chat_template_file}, std::string{text}});
  }
  return out;
}

} // namespace larql::import
