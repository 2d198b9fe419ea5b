// Reads a tokenizer.json. Only this, tokenizer_source and tokenizer_merges know simdjson.
//
// Gemma's file has 33 MB, nearly all of it in model.vocab and model.merges; these two are streamed.
// Everything else is small and read as ordinary JSON. Fields may come in any order.
//
// Errors    One message: the file, the field, what was found and what was expected. Fields of the
//           file that say nothing about tokens are not looked at.
// Threads   Any number of files at once; each is read by two threads.

#pragma once

#include "runtime/text/added_tokens.hpp"
#include "runtime/text/bpe.hpp"
#include "runtime/text/tokenizer_rules.hpp"
#include "runtime/text/vocabulary.hpp"

#include <filesystem>

namespace larql::text {

/// Eight times Gemma's.
inline constexpr std::uint64_t max_tokenizer_bytes = std::uint64_t{256} << 20;

struct tokenizer_parts {
  tokenizer_rules rules;
  vocabulary tokens; // complete
  added_tokens added;
  bpe merges;
};

[[nodiscard]] result<tokenizer_parts> read_tokenizer_file(const std::filesystem::path& path);

/// Parses a copy of `text`; `name` stands for the file in messages.
[[nodiscard]] result<tokenizer_parts> parse_tokenizer_json(std::string_view text,
                                                           std::string_view name);

} // namespace larql::text
