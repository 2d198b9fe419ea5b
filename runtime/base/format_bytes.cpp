#include "runtime/base/format_bytes.hpp"

#include <fmt/format.h>

namespace larql {

std::string format_bytes(std::uint64_t bytes) {
  constexpr const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  auto x = static_cast<double>(bytes);
  auto unit = 0;
  while (x >= 999.5 && unit < 6) {
    x /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes)
                   : fmt::format("{:.{}f} {}", x, x < 9.95 ? 2 : 1, units[unit]);
}

} // namespace larql
