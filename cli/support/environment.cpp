#include "cli/support/environment.hpp"

#include <cstdlib>

namespace larql::cli {

std::optional<std::string> process_environment(const char* name) {
  const auto* value = std::getenv(name);
  if (value == nullptr || *value == '\0')
    return std::nullopt;
  return value;
}

} // namespace larql::cli
