#include "runtime/experts/ownership.hpp"

#include <charconv>

namespace larql::experts {

namespace {

bool parse_number(std::string_view text, std::uint32_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

} // namespace

result<index_range> parse_range(std::string_view text, std::string_view what) {
  const auto dash = text.find('-');
  auto out = index_range{};
  const auto valid = dash == std::string_view::npos
                         ? parse_number(text, out.first) && parse_number(text, out.last)
                         : parse_number(text.substr(0, dash), out.first) &&
                               parse_number(text.substr(dash + 1), out.last);
  if (!valid || out.first > out.last)
    return fail(errc::usage, "{} is \"{}\", expected FIRST-LAST like 0-63", what, text);
  return out;
}

std::string to_string(index_range range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{}-{}", range.first, range.last);
}

} // namespace larql::experts
