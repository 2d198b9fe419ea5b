#include "cli/support/typing_signals.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace larql::cli {

namespace {

// A signal handler can reach nothing but globals.
std::atomic<bool> resized{false}, stop_wanted{false}, continued{false};
std::atomic<int> wake_descriptor{-1};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void post(int fd) noexcept {
  const auto one = std::uint64_t{1};
  [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

void note(int signal) {
  const auto saved_errno = errno;
  (signal == SIGWINCH ? resized : signal == SIGTSTP ? stop_wanted : continued) = true;
  if (const auto fd = wake_descriptor.load(); fd >= 0)
    post(fd);
  errno = saved_errno;
}

void install(int signal, struct sigaction* before) {
  struct sigaction action {};
  action.sa_handler = note; // without SA_RESTART: a signal ends a wait for input
  ::sigaction(signal, &action, before);
}

} // namespace

typing_signals::typing_signals() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  wake_descriptor = wake_;
  install(SIGWINCH, &before_resize_);
  install(SIGCONT, &before_continue_);
  install(SIGTSTP, &before_stop_);
  if (before_stop_.sa_handler == SIG_IGN) // a shell without job control: nobody would wake us
    ::sigaction(SIGTSTP, &before_stop_, nullptr);
}

typing_signals::~typing_signals() {
  ::sigaction(SIGWINCH, &before_resize_, nullptr);
  ::sigaction(SIGCONT, &before_continue_, nullptr);
  ::sigaction(SIGTSTP, &before_stop_, nullptr);
  wake_descriptor = -1;
  if (wake_ >= 0)
    ::close(wake_);
}

void typing_signals::wake() const noexcept {
  post(wake_);
}

void typing_signals::awake() const noexcept {
  auto count = std::uint64_t{0};
  [[maybe_unused]] const auto n = ::read(wake_, &count, sizeof count);
}

bool typing_signals::take_resize() noexcept {
  return resized.exchange(false);
}

bool typing_signals::take_stop() noexcept {
  return stop_wanted.exchange(false);
}

bool typing_signals::take_foreground() noexcept {
  return continued.exchange(false);
}

void typing_signals::stop() noexcept {
  struct sigaction ours {};
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGTSTP, &usual, &ours);
  ::pthread_kill(::pthread_self(), SIGTSTP); // to this thread, which so has stopped when it returns
  ::sigaction(SIGTSTP, &ours, nullptr);
}

} // namespace larql::cli
