#include "cli/serve/api/model_facts.hpp"

#include <fmt/format.h>

namespace larql::serve {

std::string parameter_text(std::uint64_t parameters) {
  const auto n = static_cast<double>(parameters);
  if (n >= 1e9)
    return fmt::format("{:.1f}B", n / 1e9);
  if (n >= 1e6)
    return fmt::format("{:.1f}M", n / 1e6);
  return fmt::format("{:.1f}K", n / 1e3);
}

} // namespace larql::serve
