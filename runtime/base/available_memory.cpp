#include "runtime/base/available_memory.hpp"

#include "runtime/base/parse_number.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace larql {

namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& file) {
  auto word = std::string{};
  std::ifstream{file} >> word;
  return parse_number<std::uint64_t>(word); // "max": no limit
}

std::optional<std::uint64_t> of_machine(const fs::path& root) {
  auto lines = std::ifstream{root / "proc/meminfo"};
  for (auto line = std::string{}; std::getline(lines, line);) {
    auto words = std::istringstream{line};
    auto name = std::string{};
    auto kilobytes = std::uint64_t{0};
    if (words >> name >> kilobytes && name == "MemAvailable:")
      return kilobytes * 1024;
  }
  return std::nullopt;
}

// Each group of the path has a limit of its own. Its page cache counts as used there, and can be
// dropped.
std::optional<std::uint64_t> of_control_groups(const fs::path& root) {
  auto line = std::string{};
  std::getline(std::ifstream{root / "proc/self/cgroup"}, line);
  if (!line.starts_with("0::/"))
    return std::nullopt;
  auto least = std::optional<std::uint64_t>{};
  auto group = root / "sys/fs/cgroup";
  const auto look = [&] {
    const auto limit = number_in(group / "memory.max");
    if (!limit)
      return;
    auto used = number_in(group / "memory.current").value_or(0);
    auto words = std::ifstream{group / "memory.stat"};
    auto name = std::string{};
    for (auto bytes = std::uint64_t{0}; words >> name >> bytes;)
      if (name == "file")
        used -= std::min(used, bytes);
    const auto left = *limit - std::min(*limit, used);
    least = std::min(least.value_or(left), left);
  };
  look();
  for (const auto& part : fs::path{line.substr(4)}) {
    group /= part;
    look();
  }
  return least;
}

} // namespace

std::optional<std::uint64_t> available_memory(const fs::path& root) {
  const auto machine = of_machine(root);
  const auto groups = of_control_groups(root);
  return machine && groups ? std::min(*machine, *groups) : machine ? machine : groups;
}

} // namespace larql
