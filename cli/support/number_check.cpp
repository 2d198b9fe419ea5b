#include "cli/support/number_check.hpp"

#include "runtime/base/parse_number.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace larql::cli {

CLI::Validator whole_number(std::uint64_t low, std::uint64_t high) {
  return CLI::Validator{
      [low, high](const std::string& text) {
        const auto n = parse_number<std::uint64_t>(text);
        if (n && *n >= low && *n <= high)
          return std::string{};
        return high == ~std::uint64_t{0}
                   ? fmt::format("is \"{}\", expected a whole number, {} or more", text, low)
                   : fmt::format("is \"{}\", expected a whole number, {} to {}", text, low, high);
      },
      ""};
}

CLI::Validator number_between(double low, double high) {
  return CLI::Validator{[low, high](const std::string& text) {
                          char* end = nullptr;
                          const auto x = std::strtod(text.c_str(), &end);
                          return !text.empty() && *end == '\0' && x >= low && x <= high
                                     ? std::string{}
                                     : fmt::format("is \"{}\", expected a number, {:g} to {:g}",
                                                   text, low, high);
                        },
                        ""};
}

void check_numbers(CLI::App& app) {
  for (auto* option : app.get_options()) {
    const auto type = option->get_type_name();
    if (type == "UINT")
      option->check(whole_number());
    else if (type == "FLOAT") // what is in range is for the option's owner to say
      option->check(CLI::Validator{[](const std::string& text) {
                                     char* end = nullptr;
                                     (void) std::strtod(text.c_str(), &end);
                                     return !text.empty() && *end == '\0'
                                                ? std::string{}
                                                : fmt::format("is \"{}\", expected a number", text);
                                   },
                                   ""});
  }
  for (auto* command : app.get_subcommands([](CLI::App*) { return true; }))
    check_numbers(*command);
}

} // namespace larql::cli
