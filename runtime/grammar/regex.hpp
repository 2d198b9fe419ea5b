// Regular expressions of schemas (`pattern`), as ECMAScript writes them.
//
// Known: characters, ., classes with ranges and ^, \d \D \w \W \s \S, \n \r \t \f \v \0, \xHH
// \uHHHH \u{H}, groups ( ) and (?: ), |, * + ? {m} {m,} {m,n} and their lazy forms, ^ and $ at the
// ends of the expression and of its alternatives. Other things are refused by name: look-around,
// back references, \b, \p{…}, named groups, anchors within.
//
// As in a schema an expression without ^ and $ may match anywhere in the text.
//
// Errors    `usage` for what is no expression, `unsupported` for what is not known, naming both.
// Bounds    1,000 bytes; 1,000 repetitions; 50 levels of groups.

#pragma once

#include "runtime/grammar/char_set.hpp"

#include <string_view>

namespace larql::grammar {

/// The node where a text begins that matches; it goes on at `next`.
[[nodiscard]] result<node_id> add_regex(network_builder& net, std::string_view expression,
                                        value_style style, node_id next);

} // namespace larql::grammar
