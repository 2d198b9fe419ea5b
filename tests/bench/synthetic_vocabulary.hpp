// A tokenizer of Gemma's form and size, made of words that look like those of a language: most
// begin with a blank, many have letters of more than one byte, some have digits, quotes and
// brackets.

#pragma once

#include "runtime/text/tokenizer.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace larql::bench {

[[nodiscard]] text::tokenizer synthetic_vocabulary(std::size_t tokens);

/// A text in the longest tokens that fit, one after the other.
[[nodiscard]] std::vector<text::token_id> longest_tokens(const text::tokenizer& tokens,
                                                         std::string_view text);

} // namespace larql::bench
