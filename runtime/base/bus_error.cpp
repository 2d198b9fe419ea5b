#include "runtime/base/bus_error.hpp"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace larql {

namespace {

// A signal handler can reach nothing but a global, and may call nothing but system calls.
const char* program_name = "larql";
int exit_code_of_program = 1;
// Several threads may lose a page at once; the first one speaks and ends the process.
std::atomic_flag is_speaking = ATOMIC_FLAG_INIT;

void say(const char* text, std::size_t size) noexcept {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, size);
}
void say(const char* text) noexcept {
  say(text, std::strlen(text));
}

// Reads /proc/self/maps line by line without allocating.
class map_lines {
public:
  map_lines() noexcept : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}

  /// The next line without its end, cut to the buffer; false at the end.
  bool next(char* out, std::size_t capacity, std::size_t& size) noexcept {
    size = 0;
    for (;;) {
      if (at_ == filled_) {
        const auto n = fd_ < 0 ? 0 : ::read(fd_, buffer_, sizeof buffer_);
        if (n <= 0)
          return false;
        at_ = 0;
        filled_ = static_cast<std::size_t>(n);
      }
      const auto c = buffer_[at_++];
      if (c == '\n')
        return true;
      if (size < capacity)
        out[size++] = c;
    }
  }

private:
  int fd_;
  char buffer_[4096];
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
};

std::uintptr_t hexadecimal(const char*& p) noexcept {
  auto x = std::uintptr_t{0};
  for (;; ++p) {
    const auto digit = *p >= '0' && *p <= '9'   ? *p - '0'
                       : *p >= 'a' && *p <= 'f' ? *p - 'a' + 10
                                                : -1;
    if (digit < 0)
      return x;
    x = x << 4 | static_cast<std::uintptr_t>(digit);
  }
}

void on_bus_error(int, siginfo_t* info, void*) {
  while (is_speaking.test_and_set())
    ::pause();
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  say(program_name);
  say(": a page of a mapped file cannot be read (SIGBUS): the disk failed or the file was cut: ");
  auto lines = map_lines{};
  char line[1024];
  auto size = std::size_t{0};
  auto found = false;
  while (!found && lines.next(line, sizeof line - 1, size)) {
    line[size] = '\0';
    const char* p = line;
    const auto begin = hexadecimal(p);
    const auto end = *p == '-' ? hexadecimal(++p) : 0;
    found = address >= begin && address < end;
    if (!found)
      continue;
    const auto* path = static_cast<const char*>(std::memchr(line, '/', size));
    say(path != nullptr ? path : "an unnamed mapping");
  }
  if (!found)
    say("an unknown mapping");
  say("\n");
  ::_exit(exit_code_of_program);
}

} // namespace

void install_bus_error_handler(const char* program, int exit_code) noexcept {
  program_name = program;
  exit_code_of_program = exit_code;
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

} // namespace larql
