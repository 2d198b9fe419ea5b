#include "runtime/experts/ownership.hpp"

#include "runtime/base/parse_number.hpp"

namespace larql::experts {

result<index_range> parse_range(std::string_view text, std::string_view what) {
  const auto dash = text.find('-');
  const auto first = parse_number<std::uint32_t>(text.substr(0, dash));
  const auto last =
      dash == std::string_view::npos ? first : parse_number<std::uint32_t>(text.substr(dash + 1));
  if (!first || !last || *first > *last)
    return fail(errc::usage, "{} is \"{}\", expected FIRST-LAST like 0-63", what, text);
  return index_range{*first, *last};
}

std::string to_string(index_range range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{}-{}", range.first, range.last);
}

} // namespace larql::experts
