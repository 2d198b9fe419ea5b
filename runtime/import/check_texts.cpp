#include "runtime/import/check_texts.hpp"

#include "runtime/text/generation_config.hpp"
#include "runtime/vindex/format.hpp"

#include <algorithm>

namespace larql::import {

namespace {

const text_file* find(const checkpoint& c, std::string_view name) {
  const auto it = std::find_if(c.files.begin(), c.files.end(),
                               [&](const text_file& f) { return f.name == name; });
  return it == c.files.end() ? nullptr : &*it;
}

} // namespace

result<void> check_texts(checkpoint& c) {
  const auto where = [&](const text_file& f) {
    return fmt::format("{}/{}", c.description, f.name);
  };
  const auto* tokenizer = find(c, vindex::tokenizer_file);
  if (tokenizer == nullptr) {
    c.notes.emplace_back("has no tokenizer.json: text cannot be made into tokens");
    return {};
  }
  LARQL_TRY(const auto tokens, text::tokenizer::parse(tokenizer->content, where(*tokenizer)));
  if (tokens.size() > c.config.vocab)
    return fail(errc::mismatch, "{}: has {} tokens, but the embeddings have {} rows",
                where(*tokenizer), tokens.size(), c.config.vocab);
  if (const auto* config = find(c, vindex::generation_config_file)) {
    LARQL_TRY(auto parsed, text::parse_generation_config(config->content, where(*config), tokens));
    for (auto& note : parsed.notes)
      c.notes.push_back(std::move(note));
  }
  return {};
}

} // namespace larql::import
