#include "runtime/topology/duration.hpp"

#include <charconv>

namespace larql::topology {

namespace {

struct unit {
  std::string_view name;
  std::int64_t milliseconds;
};
// "ms" before "m" and "s": the first that matches the rest of the text is taken whole.
constexpr unit units[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}};

constexpr std::int64_t longest = 30LL * 24 * 3'600'000;

} // namespace

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  auto number = std::int64_t{0};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto rest = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& u : units)
    if (error == std::errc{} && rest == u.name) {
      if (number < 0 || number > longest / u.milliseconds)
        return fail(errc::usage, "\"{}\" is out of range, expected at most 30 days", text);
      return std::chrono::milliseconds{number * u.milliseconds};
    }
  return fail(errc::usage, "\"{}\" is no duration, expected a number with ms, s, m or h", text);
}

std::string to_text(std::chrono::milliseconds duration) {
  for (const auto& u : units)
    if (duration.count() % u.milliseconds == 0 && (duration.count() != 0 || u.name == "s"))
      return fmt::format("{}{}", duration.count() / u.milliseconds, u.name);
  return fmt::format("{}ms", duration.count());
}

} // namespace larql::topology
