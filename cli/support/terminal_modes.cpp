#include "cli/support/terminal_modes.hpp"

#include "cli/support/paste_reader.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <termios.h>
#include <unistd.h>

namespace larql::cli {

namespace {

// A signal handler can reach nothing but globals. `before` is written while nothing is taken.
termios before{};
bool is_terminal = false;
bool marks_pastes = false;
std::atomic<bool> taken{false};
std::atomic<unsigned> losses{0};
static_assert(std::atomic<bool>::is_always_lock_free);

// Without job control there is no other who could have it.
bool in_foreground() noexcept {
  const auto group = ::tcgetpgrp(STDIN_FILENO);
  return group < 0 || group == ::getpgrp();
}

void tell(std::string_view sequence) noexcept {
  if (marks_pastes) [[maybe_unused]]
    const auto written = ::write(STDOUT_FILENO, sequence.data(), sequence.size());
}

// Signals stay keys, and what was typed stays where they come.
termios quiet() noexcept {
  auto out = before;
  out.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | IEXTEN);
  out.c_lflag |= NOFLSH;
  out.c_cc[VMIN] = 1;
  out.c_cc[VTIME] = 0;
  return out;
}

bool are_set(const termios& wanted) noexcept {
  auto now = termios{};
  return ::tcgetattr(STDIN_FILENO, &now) == 0 && now.c_lflag == wanted.c_lflag &&
         now.c_iflag == wanted.c_iflag && now.c_oflag == wanted.c_oflag &&
         std::memcmp(now.c_cc, wanted.c_cc, sizeof now.c_cc) == 0;
}

} // namespace

terminal_modes::terminal_modes(bool mark_pastes) noexcept {
  taken = false;
  marks_pastes = mark_pastes;
  is_terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
}

terminal_modes::~terminal_modes() {
  give_back();
  is_terminal = false;
}

bool terminal_modes::take() noexcept {
  if (!is_terminal)
    return false;
  if (!in_foreground()) {
    if (taken.load())
      lost();
    return false;
  }
  const auto wanted = quiet();
  if (!are_set(wanted))
    (void) ::tcsetattr(STDIN_FILENO, TCSANOW, &wanted);
  if (!taken.exchange(true))
    tell(bracketed_paste_on);
  return true;
}

void terminal_modes::give_back() noexcept {
  give_terminal_back();
}

void terminal_modes::lost() noexcept {
  taken = false;
  ++losses;
}

void give_terminal_back() noexcept {
  if (!is_terminal || !taken.load() || !in_foreground())
    return;
  const auto saved_errno = errno;
  (void) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  tell(bracketed_paste_off);
  taken = false;
  errno = saved_errno;
}

unsigned terminal_losses() noexcept {
  return losses.load();
}

} // namespace larql::cli
