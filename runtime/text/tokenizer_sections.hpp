// Reads the small sections of a tokenizer.json, as ordinary JSON.
//
// Errors    Fields that are missing, of the wrong type or out of range are `corrupt`. A rule that
//           this tokenizer does not follow is `unsupported`, by name: a model would answer nonsense
//           to text that was cut differently.
// Threads   Pure functions.
// Source    The JSON form of HF tokenizers. post_processor, truncation and padding are
//           not read: the caller decides about <bos> and lengths.

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/text/added_tokens.hpp"
#include "runtime/text/tokenizer_rules.hpp"

namespace larql::text {

/// Reads "normalizer", "pre_tokenizer" and "decoder" of `file`, and the scalars of its "model".
[[nodiscard]] result<tokenizer_rules> read_tokenizer_rules(const json& file,
                                                           const std::string& name);

/// Reads the array "added_tokens"; `where` names it in messages. Null means none.
[[nodiscard]] result<std::vector<added_token>> read_added_tokens(const json& list,
                                                                 const std::string& where);

} // namespace larql::text
