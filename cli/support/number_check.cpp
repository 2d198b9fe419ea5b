#include "cli/support/number_check.hpp"

#include "runtime/base/parse_number.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace larql::cli {

namespace {

// Nothing if `text` is no number. An empty text is none either.
std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const auto x = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' ? std::optional{x} : std::nullopt;
}

} // namespace

value_check whole_number(std::uint64_t low, std::uint64_t high) {
  return [low, high](const std::string& text) {
    const auto n = parse_number<std::uint64_t>(text);
    if (n && *n >= low && *n <= high)
      return std::string{};
    return high == ~std::uint64_t{0}
               ? fmt::format("is \"{}\", expected a whole number, {} or more", text, low)
               : fmt::format("is \"{}\", expected a whole number, {} to {}", text, low, high);
  };
}

value_check number_between(double low, double high) {
  return [low, high](const std::string& text) {
    const auto x = number_of(text);
    return x && *x >= low && *x <= high
               ? std::string{}
               : fmt::format("is \"{}\", expected a number, {:g} to {:g}", text, low, high);
  };
}

value_check any_number() {
  return [](const std::string& text) {
    return number_of(text) ? std::string{} : fmt::format("is \"{}\", expected a number", text);
  };
}

} // namespace larql::cli
