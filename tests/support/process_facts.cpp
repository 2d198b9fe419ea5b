#include "tests/support/process_facts.hpp"

#include "tests/support/child_process.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace larql::test {

namespace {

// The value of "Field:   value" in /proc/PID/status, or nothing.
std::string status_field(pid_t pid, const std::string& field) {
  auto in = std::ifstream{fmt::format("/proc/{}/status", pid)};
  for (auto line = std::string{}; std::getline(in, line);)
    if (line.starts_with(field + ":")) {
      const auto at = line.find_first_not_of(" \t", field.size() + 1);
      return at == std::string::npos ? "" : line.substr(at);
    }
  return {};
}

} // namespace

std::uint64_t memory_bytes(pid_t pid, const std::string& field) {
  return std::strtoull(status_field(pid, field).c_str(), nullptr, 10) * 1024;
}

std::size_t descriptor_count(pid_t pid) {
  auto n = std::size_t{0};
  auto error = std::error_code{};
  for (auto it = std::filesystem::directory_iterator{fmt::format("/proc/{}/fd", pid), error};
       it != std::filesystem::directory_iterator{}; it.increment(error))
    ++n;
  return n;
}

std::size_t thread_count(pid_t pid) {
  return std::strtoull(status_field(pid, "Threads").c_str(), nullptr, 10);
}

char process_state(pid_t pid) {
  const auto state = status_field(pid, "State");
  return state.empty() ? '\0' : state[0];
}

bool catches_signal(pid_t pid, int signal) {
  const auto mask = std::strtoull(status_field(pid, "SigCgt").c_str(), nullptr, 16);
  return (mask >> (signal - 1) & 1) != 0;
}

std::vector<mapping> mappings_of(pid_t pid, const std::filesystem::path& file) {
  const auto path = std::filesystem::canonical(file).string();
  auto in = std::ifstream{fmt::format("/proc/{}/smaps", pid)};
  auto out = std::vector<mapping>{};
  auto ours = false;
  for (auto line = std::string{}; std::getline(in, line);) {
    auto begin = 0ul, end = 0ul, offset = 0ul, kilobytes = 0ul;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &offset) == 3) {
      ours = line.ends_with(" " + path);
      if (ours)
        out.push_back({offset, end - begin, 0});
    } else if (ours && std::sscanf(line.c_str(), "Rss: %lu kB", &kilobytes) == 1) {
      out.back().resident = kilobytes * 1024;
    }
  }
  return out;
}

bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + test_timeout;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until)
      return false;
    std::this_thread::sleep_for(std::chrono::microseconds{200}); // between looks, not instead
  }
  return true;
}

} // namespace larql::test
