#include "cli/support/typing_signals.hpp"

#include <atomic>
#include <pthread.h>

namespace larql::cli {

namespace {

// A signal handler can reach nothing but globals.
std::atomic<bool> resized{false}, stop_wanted{false}, continued{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void note(int signal) {
  (signal == SIGWINCH ? resized : signal == SIGTSTP ? stop_wanted : continued) = true;
}

void install(int signal, struct sigaction* before) {
  struct sigaction action {};
  action.sa_handler = note; // without SA_RESTART: a signal ends a wait for input
  ::sigaction(signal, &action, before);
}

} // namespace

typing_signals::typing_signals() {
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
