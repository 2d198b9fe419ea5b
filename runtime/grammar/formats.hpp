// The formats of strings that are followed, as patterns.

#pragma once

#include <string>
#include <string_view>

namespace larql::grammar {

/// A pattern of texts that are of the format, but not of all of them; empty: the format says
/// nothing.
[[nodiscard]] std::string pattern_of_format(std::string_view format);

} // namespace larql::grammar
