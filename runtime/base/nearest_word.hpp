// Which known word a mistyped one was meant to be: for "did you mean".
//
// Threads   Pure function.

#pragma once

#include <span>
#include <string_view>

namespace larql {

/// The nearest of `known`, if no more than a third of the word's characters differ, three at most;
/// or one that begins with the word, if it has four characters. Empty if none is near. Two
/// neighbours that changed places are one difference.
[[nodiscard]] std::string_view nearest_word(std::string_view word,
                                            std::span<const std::string_view> known);

} // namespace larql
