#include "cli/support/parse_bytes.hpp"

#include <charconv>
#include <utility>

namespace larql::cli {

result<std::uint64_t> parse_bytes(std::string_view text, std::string_view what) {
  auto number = std::uint64_t{0};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::pair<std::string_view, std::uint64_t> units[] = {
      {"", 1}, {"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000}};
  for (const auto& [name, factor] : units)
    if (error == std::errc{} && unit == name && number <= ~std::uint64_t{0} / factor)
      return number * factor;
  return fail(errc::usage, "{} is \"{}\", expected bytes like 6GB, 500MB or 1000000", what, text);
}

} // namespace larql::cli
