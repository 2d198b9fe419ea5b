// generation_config.json: how a model likes to be sampled and where it stops.
//
// Errors    A field of the wrong type or out of range, named. A file that does not exist means the
//           defaults. Fields not listed here (penalties, beams, lengths) are not read.
// Source    generation_config.json as Hugging Face ships it.

#pragma once

#include "runtime/text/tokenizer.hpp"

namespace larql::text {

struct generation_config {
  bool sample = true; // false: always the most likely token
  double temperature = 1.0;
  std::uint32_t top_k = 64; // 0: all
  double top_p = 0.95;
  // Generation ends with any of these, ascending: what the file lists and, because files differ in
  // what they list, <eos>, <turn|> and <|tool_response> as far as the tokenizer has them.
  std::vector<token_id> stop;
  std::vector<token_id> suppress; // never chosen: "suppress_tokens"
  // What the file says of tokens that the tokenizer does not have, which is left out: a line each.
  std::vector<std::string> notes;
};

/// `name` stands for the file in messages.
[[nodiscard]] result<generation_config>
parse_generation_config(std::string_view text, std::string_view name, const tokenizer& tokens);

[[nodiscard]] result<generation_config> read_generation_config(const std::filesystem::path& path,
                                                               const tokenizer& tokens);

} // namespace larql::text
