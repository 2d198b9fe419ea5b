// What a run of the tests is told by its environment: how often, how long, which seed.

#pragma once

#include <cstdint>
#include <cstdlib>

namespace larql::test {

inline std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
  const auto* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

} // namespace larql::test
