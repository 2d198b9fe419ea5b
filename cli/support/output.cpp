#include "cli/support/output.hpp"

#include "cli/support/command.hpp"
#include "cli/support/terminal_modes.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace larql::cli {

namespace {

constexpr int exit_closed_pipe = 141; // what a shell shows for SIGPIPE

// Whether the cursor stands behind an unfinished line; of the process, as the terminal is.
std::atomic<bool> line_is_open{false};

// Messages that wait while a line is typed or an answer is written; of the process, as the
// terminal is.
struct waiting_messages {
  std::mutex mutex;
  bool held = false;
  std::string text;
};
constexpr std::size_t most_waiting_bytes = 1 << 16;

// Never destroyed: threads may speak to the very end.
waiting_messages& waiting() {
  static auto* const messages = new waiting_messages;
  return *messages;
}

// False if nobody holds messages.
bool waits(std::string_view text) noexcept {
  try {
    auto& w = waiting();
    const auto lock = std::scoped_lock{w.mutex};
    if (w.held && w.text.size() + text.size() <= most_waiting_bytes)
      w.text += text;
    return w.held;
  } catch (const std::exception&) { // no memory: then it comes in the middle of the line
    return false;
  }
}

// 0, or the error. A descriptor that must not block is waited for.
int write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      auto ready = pollfd{fd, POLLOUT, 0};
      (void) ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

failure unwritten(int error) {
  return fail(errc::io, "standard output: {}", std::generic_category().message(error));
}

} // namespace

void keep_standard_descriptors() noexcept {
  // Opened for reading: output that goes nowhere must not look like output that was written.
  for (const auto fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF)
      (void) ::open("/dev/null", O_RDONLY); // the lowest free number: this one
}

void print_text(std::string_view text) {
  const auto error = write_all(STDOUT_FILENO, text);
  if (error != 0)
    give_terminal_back();
  if (error == EPIPE)
    std::_Exit(exit_closed_pipe);
  if (error != 0)
    std::_Exit(report(unwritten(error)));
  if (!text.empty())
    line_is_open = text.back() != '\n';
}

result<void> write_output(std::string_view text) {
  const auto error = write_all(STDOUT_FILENO, text);
  return error == 0 ? result<void>{} : unwritten(error);
}

void say_text(std::string_view text) noexcept {
  if (waits(text))
    return;
  if (line_is_open.load() && ::isatty(STDOUT_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1) {
    line_is_open = false;
    (void) write_all(STDERR_FILENO, "\n");
  }
  (void) write_all(STDERR_FILENO, text);
}

void draw_text(std::string_view text) noexcept {
  (void) write_all(STDERR_FILENO, text);
}

held_messages::held_messages() noexcept {
  const auto lock = std::scoped_lock{waiting().mutex};
  waiting().held = true;
}

held_messages::~held_messages() {
  const auto last = take();
  {
    const auto lock = std::scoped_lock{waiting().mutex};
    waiting().held = false;
  }
  (void) write_all(STDERR_FILENO, last);
}

std::string held_messages::take() {
  const auto lock = std::scoped_lock{waiting().mutex};
  return std::exchange(waiting().text, {});
}

void say_log(std::string_view component, std::string_view text) {
  say("{}: {}", component, text);
}

int report(const failure& f) {
  say("{}", f.text);
  return f.code == errc::usage ? exit_usage : exit_failure;
}

} // namespace larql::cli
