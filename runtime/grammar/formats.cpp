#include "runtime/grammar/formats.hpp"

#include <fmt/format.h>

namespace larql::grammar {

namespace {

constexpr std::string_view date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
constexpr std::string_view time =
    "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
constexpr std::string_view label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
constexpr std::string_view byte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
// The last days of months, by their length.
constexpr std::string_view long_months = "[0-9]{4}-((0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)";
// Leap years, but for whole centuries.
constexpr std::string_view leap_days = "[0-9]{2}(0[48]|[2468][048]|[13579][26])-02-29";

} // namespace

std::string pattern_of_format(std::string_view format) {
  const auto whole_date = fmt::format("({}|{}|{})", date, long_months, leap_days);
  if (format == "date")
    return fmt::format("^{}$", whole_date);
  if (format == "time")
    return fmt::format("^{}$", time);
  if (format == "date-time")
    return fmt::format("^{}T{}$", whole_date, time);
  if (format == "duration")
    return "^P([0-9]{1,9}D(T[0-9]{1,9}[HMS])?|T[0-9]{1,9}[HMS]|[0-9]{1,9}[YMW])$";
  if (format == "uuid")
    return "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
  if (format == "email")
    return "^[a-zA-Z0-9_+-]+(\\.[a-zA-Z0-9_+-]+)*@[a-zA-Z0-9]+(-+[a-zA-Z0-9]+)*(\\.[a-zA-Z0-9]+(-+["
           "a-zA-Z0-9]+)*)+$";
  if (format == "hostname")
    return fmt::format("^{0}(\\.{0})*$", label);
  if (format == "ipv4")
    return fmt::format("^{0}(\\.{0}){{3}}$", byte);
  if (format == "ipv6")
    return "^[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){7}$";
  if (format == "uri")
    return "^[a-zA-Z][a-zA-Z0-9+.-]*:[a-zA-Z0-9._~:/?#@!$&'()*+,;=%-]+$";
  return {};
}

} // namespace larql::grammar
